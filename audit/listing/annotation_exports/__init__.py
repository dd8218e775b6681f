"""What annotation tools export: a file that names images and their labels, beside the images."""
