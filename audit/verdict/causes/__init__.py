"""What can distort a measured accuracy, or keep it low: one file per cause, found by walking this folder.

A file holds `judge`, from the audit's tables (`audit.verdict.line.Facts`) to its lines. Severity is in accuracy: by how
much, between 0 and 1, the cause can make a measured accuracy too high or too low. Where a cause can only weaken a
model (few images, blur), a fraction of the share of images that it touches.
"""
