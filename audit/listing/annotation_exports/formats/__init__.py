"""One file per format of an annotation tool: what it takes for its own, and which images and labels it names."""
