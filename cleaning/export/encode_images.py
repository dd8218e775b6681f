"""Encodes images anew, as PNG or JPEG of 8 bits a channel, so that every loader reads them. The source is only read.

What a picture shows is what the audit judged and training sees: EXIF orientation is not applied, alpha is laid over
white, of several pages or frames the first one counts, 16-bit and float pictures are brought to 8 bits.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageFile

from imageclinic.core.errors import InputError

#: Option → Pillow's name of the format, suffix, how it is saved.
KINDS: Mapping[str, tuple[str, str, Mapping[str, int]]] = {
    "png": ("PNG", ".png", {}),
    "jpeg": ("JPEG", ".jpg", {"quality": 95, "subsampling": 0}),
}
CHOICES = ("none", *KINDS)
#: A read error that begins so may leave a part of the picture.
DAMAGED = ("truncated", "damaged stream")


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
            content = file.read_bytes()
            rows.append((image_id, file, hashlib.sha256(content).hexdigest(), format, len(content)))
        progress(done, len(sources))
    return pd.DataFrame(rows, columns=["image_id", "file", "sha256", "format", "bytes"])


def _decode(source: Path) -> Image.Image | None:
    """The picture, grey or RGB; None when nothing of it can be decoded."""
    with warnings.catch_warnings(), _lenient():
        warnings.simplefilter("ignore")  # of odd metadata
        try:
            with Image.open(source) as image:
                image.load()
                return _eight_bits(image)
        except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, Image.DecompressionBombError):
            return None


@contextmanager
def _lenient() -> Iterator[None]:
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.nan_to_num(np.asarray(image, np.float64))
        tops = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        low, high = float(values.min()), float(values.max())
        top = 65535.0 if image.mode.startswith("I;16") else next((t for t in tops if high <= t), None)
        if low < 0 or top is None:
            values, top = values - low, max(high - low, float(np.finfo(np.float64).tiny))
        return Image.fromarray(np.round(values / top * 255).astype(np.uint8))
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    if image.mode in ("1", "L"):
        return image.convert("L")
    return image.convert("RGB")
