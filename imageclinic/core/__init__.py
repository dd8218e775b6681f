"""The ground floor: errors, tables, the run folder, hashes, child processes. Imports nothing above it."""
