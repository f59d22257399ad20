"""From a source of pictures to a dataset version that can be trusted."""
