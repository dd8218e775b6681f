"""Re-encodes images, as PNG or JPEG of 8 bits a channel, so that every loader reads them. The source is only read.

What is written is what a person sees (`core.pixels.as_seen`): turned as the EXIF data say, transparency laid over
white, CMYK as RGB, deep values over one range for all.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd
from PIL import Image, ImageFile

from imageclinic.cleaning.export.losses.value_range import ValueRange, kind_of
from imageclinic.core import pixels
from imageclinic.core.errors import InputError
from imageclinic.core.reading.hashing import file_sha256

#: Option → Pillow's name of the format, suffix, how it is saved.
KINDS: Mapping[str, tuple[str, str, Mapping[str, int]]] = {
    "png": ("PNG", ".png", {}),
    "jpeg": ("JPEG", ".jpg", {"quality": 95, "subsampling": 0}),
}
CHOICES = ("none", *KINDS)
#: A read error that begins so may leave a part of the picture.
DAMAGED = ("truncated", "damaged stream")
_SWITCH = threading.Lock()


def encode(
    sources: Mapping[str, Path],
    kind: str,
    folder: Path,
    progress: Callable[[int, int], None],
    ranges: Mapping[str, ValueRange] | None = None,
) -> pd.DataFrame:
    """Write each source to `folder`.

    Args:
        sources: image_id → file, also damaged ones: what can be decoded of them is kept, the rest is grey.
        kind: a key of `KINDS`.
        folder: empty.
        progress: called with (done, total).
        ranges: see `losses.value_range.measure`; where it has none, a deep picture is brought to 8 bits by the
            rule of `core.pixels`.

    Returns:
        image_id, file, sha256, format and bytes of those that could be decoded.
    """
    if kind not in KINDS:
        raise InputError(f"unknown encoding {kind!r}", expected=f"one of {', '.join(CHOICES)}")
    format, suffix, options = KINDS[kind]
    rows = []
    for done, (image_id, source) in enumerate(sources.items(), 1):
        picture = _decode(source, ranges or {})
        if picture is not None:
            file = folder / f"{done:08}{suffix}"
            picture.save(file, format, **options)
            rows.append((image_id, file, file_sha256(file), format, file.stat().st_size))
        progress(done, len(sources))
    return pd.DataFrame(rows, columns=["image_id", "file", "sha256", "format", "bytes"])


def _decode(source: Path, ranges: Mapping[str, ValueRange]) -> Image.Image | None:
    """The picture, grey or RGB; None when nothing of it can be decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata
        with contextlib.suppress(*pixels.DECODE_ERRORS):
            return _as_seen(source, ranges)
        with _lenient(), contextlib.suppress(*pixels.DECODE_ERRORS):
            return _as_seen(source, ranges)
    return None


def _as_seen(source: Path, ranges: Mapping[str, ValueRange]) -> Image.Image:
    with pixels.open_file(source) as image:
        values = ranges.get(kind_of(image.mode)) if pixels.deep(image.mode) else None
        return pixels.as_seen(image, None if values is None else (values.low, values.high))


@contextlib.contextmanager
def _lenient() -> Iterator[None]:
    """Let Pillow decode what is there of a damaged file. It has one switch for the whole process and no other way
    (its parser takes PNG only whole): so it is on for one damaged file at a time, and then as it was."""
    with _SWITCH:
        before = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before
