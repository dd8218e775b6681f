"""Arrays and text that are larger than memory, or than one array of Arrow, can hold."""
