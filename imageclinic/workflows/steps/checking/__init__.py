"""What a check of new images composes."""
