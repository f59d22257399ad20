"""Measured comparisons: each a command that runs both sides in one go and prints their ratio."""
