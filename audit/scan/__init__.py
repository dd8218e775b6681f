"""One pass over the bytes of every image, one decode each: statistics, hashes, thumbnails, damage."""
