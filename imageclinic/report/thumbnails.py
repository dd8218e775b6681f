"""Thumbnails as data URIs: small, safe to embed, and with a reason where there is no picture."""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SIDE = 160  # pixels; shown at about 150, so sharp enough on a phone
BUDGET = 7_000_000  # bytes of data URIs in one report


@dataclass(frozen=True)
class Picture:
    """What stands in for an image: a data URI, or the reason why there is none."""

    uri: str = ""
    reason: str = ""
    tiny: bool = False  # drawn larger than it is: with hard pixels


@dataclass
class Tiles:
    """Makes thumbnails until the report is full."""

    budget: int = BUDGET
    made: dict[Path, Picture] = field(default_factory=dict)

    def picture(self, path: Path) -> Picture:
        """The thumbnail of the image at `path`."""
        found = self.made.get(path) or thumbnail(path)
        self.made[path] = found
        if len(found.uri) > self.budget:
            return Picture(reason="left out: the report is large enough")
        self.budget -= len(found.uri)
        return found


def thumbnail(path: Path, side: int = SIDE) -> Picture:
    """Read the image at `path` and shrink it to at most `side` pixels, upright, as JPEG (PNG when transparent).

    Damage is no error here: what can be drawn is drawn, else the reason is told.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            image.draft("RGB", (2 * side, 2 * side))
            small = _eight_bits(image)
            small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2)
            return Picture(_uri(ImageOps.exif_transpose(small)), tiny=max(small.size) < side // 4)
    except FileNotFoundError:
        return Picture(reason="the file is gone")
    except Exception as error:  # damaged files make decoders raise whatever they like
        return Picture(reason=_because(path, error))


def _because(path: Path, error: Exception) -> str:
    if isinstance(error, OSError) and not path.stat().st_size:
        return "empty file"
    if isinstance(error, UnidentifiedImageError):
        return "no image"
    return f"{error}".replace(str(path), path.name)[:80] or type(error).__name__


def _eight_bits(image: Image.Image) -> Image.Image:
    """A copy that browsers can show: RGB, L or RGBA; deep grey pictures are stretched from darkest to lightest."""
    if image.mode.startswith("I") or image.mode == "F":
        levels = np.asarray(image, dtype=np.float64)
        low, high = float(levels.min()), float(levels.max())
        grey = (levels - low) * (255 / (high - low) if high > low else 0)
        return Image.fromarray(grey.astype(np.uint8))
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.copy() if image.mode in ("RGB", "L") else image.convert("RGB")


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    if image.mode == "RGBA":
        image.save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        image.save(buffer, "JPEG", quality=84, optimize=True)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
