"""One image through the endpoint."""
