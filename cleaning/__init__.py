"""Turns findings into decisions, and decisions into a dataset. Never writes to the user's images."""
