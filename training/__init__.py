"""What runs in the staging, training and evaluation jobs."""
