"""What runs in Lambda: one package per function, layers handler → logic → adapters."""
