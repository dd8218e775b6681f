"""Decisions that a policy makes, given in a command or in a file."""
