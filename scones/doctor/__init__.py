"""`scones doctor`: what would stop a deployment, found before anything is created."""
