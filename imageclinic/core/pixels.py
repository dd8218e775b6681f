"""One rule from a picture of any mode to 8 bits a channel: what is judged is what a model sees.

The scan, the comparison of copies, the App, the report, re-encoding, embedding and training all convert with `plain`,
so that none of them sees a picture that another does not:

- **16 bits, 32 bits, floats**: files don't say which range they use, so the values decide. It is the smallest
  of the usual ranges that holds them all: [0, 1] (floats only), then 8, 10, 12, 14 and 16 bits. A 12-bit picture
  (sensors, X-rays) is not dark for being stored in 16 bits, and one whose brightest value is 255 is neither black nor
  stretched. What fits none of these (negative or larger values) is stretched from its least to its greatest value.
  The range depends on this picture alone, never on the dataset, so that every command finds the same one. Hence an
  underexposed picture is shown brighter than it was taken, by up to 4 times (2 bits), wherever it is used.
  Of floats, NaN and −∞ are black and ∞ is white.
- **Alpha** is laid over white, also the transparent colour of a palette, of a PNG or of a GIF.
- **Palettes** are looked up; CMYK, YCbCr, HSV and Lab are turned to RGB without the file's colour profile.
- Of several pages or frames the current one counts, which is the first of a file just opened. EXIF orientation is not
  applied: neither TensorFlow nor Keras applies it.

`as_seen` is the picture that a person sees, for files that are re-encoded: turned as its EXIF data say, CMYK by the
profile that the file holds, and deep values over one range for a whole dataset, where it is given. What Keras's own
loaders see instead is in `core.pictures.keras_pictures`.

Colour of 16 bits a channel reaches us with its high bytes only: that is what Pillow decodes, and TensorFlow too.
"""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from imageclinic.core.pictures import heif  # noqa: F401 - lets Pillow open HEIF
from imageclinic.core.reading.regular_files import open_regular

#: Changes when the rule does: of a picture that is `deep`, results of an older version are not to be reused.
VERSION = "1"

Bytes = npt.NDArray[np.uint8]

_TOPS = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
# Values that are converted at a time: a large picture must not need several times its memory.
_AT_ONCE = 1 << 20


#: What Pillow raises at a file that it can't decode.
DECODE_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
)


@contextlib.contextmanager
def open_file(path: Path) -> Iterator[Image.Image]:
    """`Image.open`, but by an open file: of a path, Pillow 13 maps an uncompressed TIFF into memory, and scrambles one
    that is turned by a quarter.

    Raises:
        OSError: and whatever else Pillow raises when the image can't be opened.
    """
    with open_regular(path) as file, Image.open(file) as image:
        yield image


def load(path: Path) -> Image.Image | None:
    """The picture at `path`, decoded; None when it can't be."""
    try:
        with open_file(path) as image:
            image.load()
            return image
    except DECODE_ERRORS:
        return None


def plain(image: Image.Image, span: tuple[float, float] | None = None) -> Image.Image:
    """The picture with 8 bits a channel and without alpha, by the rule of this module.

    Args:
        image: of any mode; loaded if it isn't. Not changed.
        span: what becomes black and white where the picture is `deep`; None: by the rule.

    Returns:
        A picture of mode L (where the image is grey: L, LA, La, 1, I, F, I;16…) or RGB. It may be `image` itself.

    Raises:
        OSError: and whatever else Pillow raises when the image can't be decoded.
    """
    if deep(image.mode):
        values = np.asarray(image)
        grey = _to_bytes(values, span)
        transparent = image.info.get("transparency")  # of a grey PNG: one value, at full depth
        if isinstance(transparent, int):
            grey[values == transparent] = 255
        return Image.fromarray(grey)
    if image.has_transparency_data:
        mode, white = ("L", "LA") if image.mode in ("1", "L", "LA", "La") else ("RGB", "RGBA")
        alpha = image if image.mode == white else image.convert(white)
        under = Image.new(mode, image.size, "white")
        under.paste(alpha.convert(mode), mask=alpha.getchannel("A"))
        return under
    mode = "L" if image.mode in ("1", "L") else "RGB"
    return image if image.mode == mode else image.convert(mode)


def as_seen(image: Image.Image, span: tuple[float, float] | None = None) -> Image.Image:
    """The picture as a person sees it, with 8 bits a channel: `plain`, turned as its EXIF data say, and CMYK turned to
    RGB by the colour profile that the file holds, if it holds one that works.

    Args and Raises: as `plain`.
    """
    image.load()  # which turns a TIFF, and takes the tag off
    with contextlib.suppress(Exception):  # broken EXIF data, of which Pillow raises anything, turn nothing
        image = ImageOps.exif_transpose(image)
    return plain(by_profile(image), span)


def by_profile(image: Image.Image) -> Image.Image:
    """A CMYK picture in RGB (sRGB) by the profile that it holds; any other picture, and one without a profile that
    works, as it is."""
    profile = image.info.get("icc_profile")
    if image.mode != "CMYK" or not profile:
        return image
    from PIL import ImageCms  # here, for few pictures need it

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        made = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return image if made is None else made


def rgb(picture: Image.Image | npt.NDArray[Any]) -> Bytes:
    """The picture as RGB, by the rule of this module.

    Args:
        picture: a Pillow image of any mode; or an array of booleans, integers or floats of the shape (height, width)
            or (height, width, channels): 1 channel is grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. Integers other
            than uint8, and floats, are read over one range for all channels; True is white.

    Returns:
        uint8 (height, width, 3). May be read-only.

    Raises:
        ValueError: an array of another shape.
    """
    if not isinstance(picture, Image.Image):
        if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] not in (1, 2, 3, 4)):
            raise ValueError(f"an array of shape {picture.shape} is no picture")
        values = picture.astype(np.uint8) * np.uint8(255) if picture.dtype == bool else picture
        values = values if values.dtype == np.uint8 else _to_bytes(values)
        picture = Image.fromarray(values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values)
    return np.asarray(plain(picture).convert("RGB"))


def deep(mode: str) -> bool:
    """Whether a picture of this Pillow mode has more than 8 bits a channel: I, F, and the kinds of I;16."""
    return mode in ("I", "F") or mode.startswith("I;16")


def _to_bytes(values: npt.NDArray[Any], span: tuple[float, float] | None = None) -> Bytes:
    """Values of one picture, of any shape, over `span` or the range that they use → 0 to 255."""
    low, top = span or _range(values)
    flat = values.reshape(-1)
    made = np.empty(flat.shape, np.uint8)
    for start in range(0, len(flat), _AT_ONCE):
        share = (flat[start : start + _AT_ONCE].astype(np.float64) - low) / (top - low)
        made[start : start + _AT_ONCE] = np.round(np.nan_to_num(np.clip(share, 0, 1), nan=0) * 255)
    return made.reshape(values.shape)


def extremes(values: npt.NDArray[Any]) -> tuple[float, float]:
    """The least and the greatest of the values that are numbers; zeros where none is."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


def _range(values: npt.NDArray[Any]) -> tuple[float, float]:
    """What becomes black and white, by the rule of this module."""
    return rule_range(*extremes(values), real=values.dtype.kind == "f")


def rule_range(low: float, high: float, *, real: bool) -> tuple[float, float]:
    """What becomes black and white in a picture of values from `low` to `high`, floats where `real`, by the rule of
    this module."""
    top = next((top for top in ((1.0, *_TOPS) if real else _TOPS) if high <= top), None)
    if low >= 0 and top is not None:
        return 0.0, top
    return low, high if high > low else low + 1.0
