"""What a decoder finds out about one file, and the two small pictures that are made of its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

#: Side of the colour sample; images with no longer side are kept whole. Side of the grey picture of larger ones.
SMALL, LARGE = 32, 64
#: What the read error of a file that ran out of memory ends with.
NO_MEMORY = "more memory than there is"


@dataclass
class Decoded:
    """What is known of one file.

    `colour` is a sample of the picture's pixels, uint8 (32, 32, 3), or the whole picture when no side is longer.
    `grey` is a larger picture in grey (ITU-R 601), uint8 (64, 64). Aspect is not kept. None where there is an `error`.

    `transparent`: whether pixels are not opaque. `value_low`, `value_high`: least and greatest value of a picture of
    more than 8 bits. Where Keras's loaders may see another picture than a person does (`core.pictures.keras_pictures`),
    `keras_difference` is the mean difference of the two in [0, 1], of the loader that is further off, and `keras` a
    sample of what a loader sees, as `colour`; else None.
    """

    format: str | None = None
    width: int | None = None
    height: int | None = None
    mode: str | None = None
    frames: int | None = None
    camera: str | None = None
    exif_orientation: int | None = None
    jpeg_quality: int | None = None
    colour: npt.NDArray[np.uint8] | None = None
    grey: npt.NDArray[np.uint8] | None = None
    transparent: bool = False
    value_low: float | None = None
    value_high: float | None = None
    keras_difference: float | None = None
    keras: npt.NDArray[np.uint8] | None = None
    error: str | None = None
    #: The picture in RGB, scaled down, that `shrink` has not yet taken.
    picture: npt.NDArray[np.uint8] | None = None


def shrink(found: Decoded) -> None:
    """Fill in `colour` and `grey` from `picture`, if there is one, and let go of it."""
    picture, found.picture = found.picture, None
    if picture is None:
        return
    try:
        found.colour, found.grey = _shrink(picture)
    except MemoryError:
        found.error = f"too large: {found.width}×{found.height} pixels need {NO_MEMORY}"


def _shrink(rgb: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8] | None]:
    """The colour sample and the grey picture of `Decoded`."""
    height, width = rgb.shape[:2]
    if (height, width) == (SMALL, SMALL):
        return rgb, None
    image, how = Image.fromarray(rgb), Image.Resampling
    if max(height, width) <= SMALL:
        return np.asarray(image.resize((SMALL, SMALL), how.BICUBIC)), None
    # Sampled and not averaged, so that a picture of two greys keeps two greys.
    colour = image.resize((SMALL, SMALL), how.NEAREST)
    return np.asarray(colour), np.asarray(image.convert("L").resize((LARGE, LARGE), how.BILINEAR))
