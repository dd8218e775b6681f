"""Which images are copies of each other: candidate pairs, thumbnails, full decodes, clusters."""
