"""Train, val and test: stratified by label, groups of copies whole."""
