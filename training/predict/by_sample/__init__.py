"""Predictions of more images than heads are fitted to: by a sample, in parts on the workers of an engine."""
