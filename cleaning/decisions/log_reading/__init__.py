"""Reading a decision log quickly: what was read before, and many plain rows at once."""
