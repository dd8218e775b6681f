"""Proves an export by reading it back."""
