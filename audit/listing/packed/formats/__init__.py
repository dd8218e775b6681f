"""One file per format: what it takes for its own, and how its images, labels and splits are read."""
