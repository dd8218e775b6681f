"""One file per command: what it composes. Nothing here prints."""
