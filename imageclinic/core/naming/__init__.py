"""Names and counts in words, and the order of classes."""
