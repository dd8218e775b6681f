"""A run folder as a dataset in the App: samples, saved views, sidebar, colours."""
