"""What an export loses: images, classes, grey levels; what of it is written down, and what is refused."""
