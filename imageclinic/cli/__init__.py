"""The command line: arguments in, tables and words out."""
