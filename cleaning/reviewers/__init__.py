"""Several persons who review one run: images that two must see, images with a known answer, what each may see."""
