"""Thumbnails as data URIs: small, safe to embed, and with a reason where there is no picture."""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from imageclinic.core.pixels import open_file, plain
from imageclinic.core.run import Run

SIDE = 240  # pixels; shown at about 150, and larger when it is clicked
TINY = 40  # a picture of fewer pixels is drawn with hard ones
SMALL = 96  # where many are shown
BUDGET = 7_000_000  # bytes of data URIs in one report


@dataclass(frozen=True)
class Picture:
    """What is shown for an image: a data URI, or the reason why there is none."""

    uri: str = ""
    reason: str = ""
    tiny: bool = False  # drawn larger than it is: with hard pixels


@dataclass
class Tiles:
    """Makes thumbnails until the report is full."""

    budget: int = BUDGET
    made: dict[tuple[Path, int], Picture] = field(default_factory=dict)

    def picture(self, path: Path, side: int = SIDE) -> Picture:
        """The thumbnail of the image at `path`, of at most `side` pixels."""
        found = self.made.get((path, side)) or thumbnail(path, side)
        self.made[path, side] = found
        if len(found.uri) > self.budget:
            return Picture(reason="left out: the report is large enough")
        self.budget -= len(found.uri)
        return found


class RunPictures:
    """The pictures of a run's images in one report."""

    def __init__(self, run: Run) -> None:
        self._run, self._tiles = run, Tiles()
        #: Images whose picture stands in the report.
        self.shown: set[str] = set()

    def picture(self, image_id: str) -> Picture:
        """For the sections of the checks."""
        found = self._tiles.picture(self._run.image_path(image_id))
        if found.uri:
            self.shown.add(image_id)
        return found

    def small(self, image_id: str) -> Picture:
        """Where many are shown."""
        return self._tiles.picture(self._run.image_path(image_id), SMALL)


def thumbnail(path: Path, side: int = SIDE) -> Picture:
    """Read the image at `path` and shrink it to at most `side` pixels, upright, as JPEG.

    It shows what the audit judged (`core.pixels`), turned as a person expects it.

    Damage is no error here: what can be drawn is drawn, else the reason is shown.
    """
    try:
        with warnings.catch_warnings(action="ignore"), open_file(path) as image:
            image.draft("RGB", (2 * side, 2 * side))
            small = plain(ImageOps.exif_transpose(image))
            small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2)
            return Picture(_uri(small), tiny=max(small.size) < min(TINY, side // 4))
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


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=84, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
