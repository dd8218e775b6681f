"""Frames of millions of rows: made of files and written to them a column or a piece at a time, and looked up by id."""
