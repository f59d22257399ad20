"""From recorded decisions to events."""
