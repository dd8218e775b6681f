"""Reading files that others may have put there or changed: without waiting, up to a size, and checked whole."""
