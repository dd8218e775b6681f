"""What the App shows for each image: the file where a browser can draw it, else a picture that we make.

A browser draws JPEG, PNG, GIF, BMP, WebP and AVIF in the usual pixel layouts, by a name that says image. The
rest (TIFF, 16 bit, CMYK, alpha, which a browser lays over the App's dark ground, odd names) is converted as the
audit judged it (`core.pixels`), and turned as a browser turns a JPEG; a file that can't be decoded shows a
placeholder. The pictures live in the run folder; the user's files are only read.
"""

from __future__ import annotations

import functools
import mimetypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont, ImageOps

from imageclinic.core import pixels, tables
from imageclinic.core.formats import FORMATS
from imageclinic.core.reading.hashing import text_digest
from imageclinic.core.run import Run

_DRAWN = {name for name, kind in FORMATS.items() if kind.browser}
_LAYOUTS = {"1", "L", "P", "RGB"}
# Formats that keep a transparent colour beside the pixels, so that the layout does not tell. (Of a PNG in grey or
# RGB it is not looked for: that is rare, and a file to open for each.)
_MARKED = {("PNG", "P"), ("GIF", "P"), ("GIF", "L"), ("GIF", "RGB")}
_LARGEST = 2048
_PLACEHOLDER = "undecodable.png"


def shown(
    run: Run, dataset: pd.DataFrame, files: pd.Series, progress: Callable[[int, int], None] | None = None
) -> pd.Series:
    """The absolute path of the picture to show for each image, converting what needs it.

    Args:
        run: the run whose folder takes the converted pictures.
        dataset: rows of the table ``dataset``.
        files: the absolute path of each one's file, in the same order.
        progress: called with (converted, to convert).

    Returns:
        Paths (str), indexed by ``image_id``. Always valid Unicode.
    """
    paths = dict(zip(dataset["image_id"].tolist(), files.tolist(), strict=True))
    result = dict(paths)
    placeholder = _placeholder(run.review / _PLACEHOLDER)
    broken = dataset["read_error"].notna() | dataset["format"].isna()
    result.update(dict.fromkeys(dataset.loc[broken, "image_id"], str(placeholder)))
    drawn = dataset["format"].isin(_DRAWN) & dataset["mode"].isin(_LAYOUTS)
    drawn &= np.array([says_image(path) for path in files], bool)
    marked = [pair in _MARKED for pair in zip(dataset["format"], dataset["mode"], strict=True)]
    with ThreadPoolExecutor() as pool:
        doubtful = dataset.loc[~broken & drawn & np.array(marked, bool), "image_id"]
        clear = pool.map(lambda image_id: _has_alpha(paths[image_id]), doubtful)
        drawn &= ~dataset["image_id"].isin([i for i, found in zip(doubtful, clear, strict=True) if found])
        todo = dataset.loc[~broken & ~drawn, ["image_id", "sha256"]]
        jobs = {
            image_id: pool.submit(_convert, paths[image_id], run.review / _name(image_id, sha256))
            for image_id, sha256 in todo.set_index("image_id")["sha256"].items()
        }
        for done, (image_id, job) in enumerate(jobs.items(), start=1):
            converted = job.result()
            result[image_id] = str(converted or placeholder)
            if progress:
                progress(done, len(jobs))
    return pd.Series(result, index=pd.Index(dataset["image_id"], name="image_id"), dtype="str")


def says_image(path: str) -> bool:
    """Whether browser and FiftyOne take the file for an image by its name, and a database can hold it."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return _is_image(path.rpartition("/")[2].partition(".")[2])


@functools.lru_cache(maxsize=1024)
def _is_image(endings: str) -> bool:
    return (mimetypes.guess_type(f"name.{endings}")[0] or "").startswith("image/")


def _name(image_id: object, sha256: object) -> str:
    # The rule's version is in the name, so that a picture of another rule is not shown.
    return text_digest(f"{pixels.VERSION}/{sha256}/{image_id}", 24) + ".png"


def _has_alpha(source: str) -> bool:
    """Whether a file's header names a transparent colour; False for one that can't be opened."""
    try:
        with pixels.open_file(Path(source)) as opened:
            return opened.has_transparency_data
    except pixels.DECODE_ERRORS:
        return False


def _convert(source: str, target: Path) -> Path | None:
    """Write `source` as an 8-bit PNG to `target`; None when it can't be decoded after all."""
    if target.is_file():
        return target
    try:
        with pixels.open_file(Path(source)) as opened:
            picture = pixels.plain(ImageOps.exif_transpose(opened))
            picture.thumbnail((_LARGEST, _LARGEST))
    except pixels.DECODE_ERRORS:
        return None
    with tables.replacing(target) as temporary:
        picture.save(temporary, "PNG")
    return target


def _placeholder(target: Path) -> Path:
    if not target.is_file():
        picture = Image.new("RGB", (320, 320), (38, 38, 42))
        draw = ImageDraw.Draw(picture)
        grey = (150, 150, 158)
        draw.rounded_rectangle((120, 70, 200, 170), radius=6, outline=grey, width=5)
        draw.line((140, 100, 180, 140), fill=grey, width=5)
        draw.line((180, 100, 140, 140), fill=grey, width=5)
        font = ImageFont.load_default(size=24)
        draw.text((160, 215), "can't be decoded", fill=grey, font=font, anchor="mm")
        with tables.replacing(target) as temporary:
            picture.save(temporary, "PNG")
    return target
