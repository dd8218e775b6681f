"""Ordinary colour JPEGs, decoded by libjpeg-turbo's own interface: the pixels that Pillow gives, in half the time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from imageclinic.core.reading.regular_files import open_regular

#: Pillow decodes a JPEG at a fraction of its size where that is still so many times as large as what is wanted.
SPARE = 2


def decode(path: Path, size: tuple[int, int] | None = None) -> npt.NDArray[np.uint8] | None:
    """The pixels of a JPEG in YCbCr, in full.

    Args:
        path: the file.
        size: (height, width) that are wanted of it; None: its own.

    Returns:
        uint8 RGB (height, width, 3); None where Pillow must say what the file shows: it is no such JPEG, is damaged, or
        so large that Pillow decodes a fraction, or warns.

    Raises:
        OSError: the file can't be read.
    """
    with open_regular(path) as file:
        if file.read(3) != b"\xff\xd8\xff":
            return None
        file.seek(0)
        data = file.read()
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        large = size is not None and min(height // (SPARE * size[0]), width // (SPARE * size[1])) > 1
        large |= height * width > (Image.MAX_IMAGE_PIXELS or height * width)
        return None if space != "YCbCr" or large else np.asarray(simplejpeg.decode_jpeg(data, "RGB", strict=True))
    except (ValueError, KeyError):  # damage, and what it does not know
        return None
