"""What cleaning changed: arms retrained, tested on the same images, with intervals."""
