"""How files of images open, and what other loaders make of them."""
