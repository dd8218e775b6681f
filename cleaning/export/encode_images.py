"""Encodes images anew, as PNG or JPEG of 8 bits a channel, so that every loader reads them. The source is only read.

What a picture shows is what the audit judged and training sees (`core.pixels`).
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd
from PIL import Image, ImageFile

from imageclinic.core.errors import InputError
from imageclinic.core.hashing import file_sha256
from imageclinic.core.pixels import plain
from imageclinic.core.reading.regular_files import open_regular

#: Option → Pillow's name of the format, suffix, how it is saved.
KINDS: Mapping[str, tuple[str, str, Mapping[str, int]]] = {
    "png": ("PNG", ".png", {}),
    "jpeg": ("JPEG", ".jpg", {"quality": 95, "subsampling": 0}),
}
CHOICES = ("none", *KINDS)
#: A read error that begins so may leave a part of the picture.
DAMAGED = ("truncated", "damaged stream")
_DECODE_ERRORS = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, Image.DecompressionBombError)
_SWITCH = threading.Lock()


def encode(sources: Mapping[str, Path], kind: str, folder: Path, progress: Callable[[int, int], None]) -> pd.DataFrame:
    """Write each source to `folder`.

    Args:
        sources: image_id → file, also damaged ones: what can be decoded of them is kept, the rest is grey.
        kind: a key of `KINDS`.
        folder: empty.
        progress: called with (done, total).

    Returns:
        image_id, file, sha256, format and bytes of those that could be decoded.
    """
    if kind not in KINDS:
        raise InputError(f"unknown encoding {kind!r}", expected=f"one of {', '.join(CHOICES)}")
    format, suffix, options = KINDS[kind]
    rows = []
    for done, (image_id, source) in enumerate(sources.items(), 1):
        picture = _decode(source)
        if picture is not None:
            file = folder / f"{done:08}{suffix}"
            picture.save(file, format, **options)
            rows.append((image_id, file, file_sha256(file), format, file.stat().st_size))
        progress(done, len(sources))
    return pd.DataFrame(rows, columns=["image_id", "file", "sha256", "format", "bytes"])


def _decode(source: Path) -> Image.Image | None:
    """The picture, grey or RGB; None when nothing of it can be decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata
        with contextlib.suppress(*_DECODE_ERRORS):
            return _plain(source)
        with _lenient(), contextlib.suppress(*_DECODE_ERRORS):
            return _plain(source)
    return None


def _plain(source: Path) -> Image.Image:
    with open_regular(source) as file, Image.open(file) as image:
        image.load()
        return plain(image)


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
