"""What a user brings in place of what an audit would make: reading its tables."""
