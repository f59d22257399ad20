"""The live endpoint must decide as the evaluated model did."""
