"""What the curves of a training history say."""
