"""Training's artifact and the serving code become the archive that the endpoint serves."""
