"""Which images there are: a folder tree or a manifest becomes a listing with ids, labels and splits."""
