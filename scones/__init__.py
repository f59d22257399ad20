"""Scones Unlimited operator command line."""
