"""What runs in the endpoint: a Ray Serve application around an engine that needs no Ray."""
