"""What the App shows for each image: the file where a browser can draw it, else a picture that we make.

A browser draws JPEG, PNG, GIF, BMP, WebP and AVIF in the usual pixel layouts, by a name that says image. The
rest (TIFF, 16 bit, CMYK, odd names) is converted; a file that can't be decoded shows a placeholder. The
pictures live in the run folder; the user's files are only read.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont, ImageOps

from imageclinic.core import tables
from imageclinic.core.run import Run

_DRAWN = {"JPEG", "MPO", "PNG", "GIF", "BMP", "WEBP", "AVIF"}
_LAYOUTS = {"1", "L", "LA", "P", "PA", "RGB", "RGBA"}
_LARGEST = 2048
_PLACEHOLDER = "undecodable.png"


def shown(run: Run, dataset: pd.DataFrame, progress: Callable[[int, int], None] | None = None) -> pd.Series:
    """The absolute path of the picture to show for each image, converting what needs it.

    Args:
        run: the run whose folder takes the converted pictures.
        dataset: rows of the table ``dataset``.
        progress: called with (converted, to convert).

    Returns:
        Paths (str), indexed by ``image_id``. Always valid Unicode.
    """
    root = run.root
    paths = {image_id: root / tables.to_path(image_id) for image_id in dataset["image_id"]}
    result = {image_id: str(path) for image_id, path in paths.items()}
    placeholder = _placeholder(run.review / _PLACEHOLDER)
    broken = dataset["read_error"].notna() | dataset["format"].isna()
    result.update(dict.fromkeys(dataset.loc[broken, "image_id"], str(placeholder)))
    drawn = dataset["format"].isin(_DRAWN) & dataset["mode"].isin(_LAYOUTS)
    drawn &= np.array([says_image(path) for path in paths.values()], bool)
    todo = dataset.loc[~broken & ~drawn, ["image_id", "sha256"]]
    with ThreadPoolExecutor() as pool:
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


def says_image(path: Path) -> bool:
    """Whether browser and FiftyOne take the file for an image by its name, and a database can hold it."""
    kind = mimetypes.guess_type(path.name)[0] or ""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return kind.startswith("image/")


def _name(image_id: object, sha256: object) -> str:
    return hashlib.sha256(f"{sha256}/{image_id}".encode()).hexdigest()[:24] + ".png"


def _convert(source: Path, target: Path) -> Path | None:
    """Write `source` as an 8-bit PNG to `target`; None when it can't be decoded after all."""
    if target.is_file():
        return target
    try:
        with Image.open(source) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
                values = np.asarray(picture, np.float64)
                low, high = float(values.min()), float(values.max())
                grey = (values - low) * (255 / (high - low) if high > low else 0)
                picture = Image.fromarray(grey.astype(np.uint8))
            elif picture.mode not in ("L", "RGB", "RGBA"):
                picture = picture.convert("RGBA" if "A" in picture.getbands() else "RGB")
            picture.thumbnail((_LARGEST, _LARGEST))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
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
