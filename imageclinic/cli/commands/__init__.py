"""The commands, a module a family. Each imports what it needs when it runs, so that `--help` answers at once."""
