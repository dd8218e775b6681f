"""Whether a dataset's images have colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imageclinic.training.data import image_pipelines

#: (height, width) in pixels at which images are looked at.
SIZE = (32, 32)
_GREY = 8  # largest difference between the channels of a grey pixel, of 255
_COLOURED = 0.01  # share of pixels, and of images, from which on they have colour
_BATCH = 64


def is_grey(images: npt.NDArray[np.uint8]) -> bool:
    """Whether hardly any of the images, uint8 (n, height, width, 3), has colour: under 1 % have a pixel in a
    hundred whose channels differ by more than JPEG makes them differ."""
    return bool(_coloured(images).mean() < _COLOURED)


def are_grey(paths: Sequence[Path]) -> bool:
    """`is_grey` of image files, of which no more are read than are needed to tell.

    Raises:
        InputError: when a file that is read can't be decoded; names the file.
    """
    found = 0
    for start in range(0, len(paths), _BATCH):
        found += int(_coloured(image_pipelines.load_images(paths[start : start + _BATCH], SIZE)).sum())
        if found >= _COLOURED * len(paths):
            return False
    return True


def _coloured(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """(n,) which of the images have colour."""
    spread = images.max(-1) - images.min(-1)
    return np.asarray((spread > _GREY).mean((1, 2)) > _COLOURED)
