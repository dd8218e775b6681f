"""Exports whose images are packed into shards."""
