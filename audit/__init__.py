"""Finds problems in a dataset and changes nothing."""
