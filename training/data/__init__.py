"""Image files → arrays and pipelines, and records."""
