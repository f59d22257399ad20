"""From recorded decisions and reviews to events."""
