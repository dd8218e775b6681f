"""Exports in object stores: written file by file, and fetched to be proven."""
