"""Hyperparameter search on the validation images; the winner is tested once."""
