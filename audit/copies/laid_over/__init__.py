"""Copies that show when one picture is laid over the other."""
