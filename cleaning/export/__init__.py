"""Cleaned table → files on disk, proven by reading them back."""
