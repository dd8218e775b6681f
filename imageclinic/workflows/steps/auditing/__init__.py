"""What an audit composes."""
