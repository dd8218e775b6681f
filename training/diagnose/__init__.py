"""Why is accuracy not improving? Small experiments on images in memory, and what they say together."""
