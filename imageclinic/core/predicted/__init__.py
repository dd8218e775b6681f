"""What models predict of images, image by image."""
