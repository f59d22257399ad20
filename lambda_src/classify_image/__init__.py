"""Images through the endpoint."""
