"""Whether a dataset's images have colour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: (height, width) in pixels at which images are looked at.
SIZE = (32, 32)
_GREY = 8  # largest difference between the channels of a grey pixel, of 255


def is_grey(images: npt.NDArray[np.uint8]) -> bool:
    """Whether hardly any of the images, uint8 (n, height, width, 3), has colour: under 1 % have a pixel in a
    hundred whose channels differ by more than JPEG makes them differ."""
    spread = images.max(-1) - images.min(-1)
    coloured = (spread > _GREY).mean((1, 2)) > 0.01
    return bool(coloured.mean() < 0.01)
