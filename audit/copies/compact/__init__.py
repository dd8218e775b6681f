"""Images of a dataset as row numbers, for a search among millions of them."""
