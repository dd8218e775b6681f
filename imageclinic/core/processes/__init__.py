"""Child processes, and signals that end ours."""
