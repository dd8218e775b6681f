"""The FiftyOne App on a run: database, dataset, plugin, and the work that goes on beside it."""
