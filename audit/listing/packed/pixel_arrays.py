"""Arrays of pixels → PNG files, which lose nothing; labels as numbers, names or one-hot rows → names of classes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from imageclinic.audit.listing.packed.sample_labels import another_task
from imageclinic.core.errors import InputError

SHAPES = "(images, height, width), or with a last axis of 1 (grey) or 3 (red, green, blue)"


def check_pixels(x: Any, where: str) -> str:
    """How numbers become pixels: "as they are" (integers 0…255, booleans), "255 times" (floats 0…1), or "rounded"
    (floats 0…255).

    Args:
        x: see `SHAPES`; any type of number.
        where: what messages call it.

    Raises:
        InputError: another shape or type, or values outside of these ranges, NaN included.
    """
    shape = tuple(x.shape)
    if not (len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))) or 0 in shape:
        fix = ""
        if len(shape) == 4 and shape[1] in (1, 3):
            fix = "the channels come first: give np.moveaxis(x, 1, -1)"
        elif len(shape) == 4 and shape[3] == 4:
            fix = "leave the fourth channel out: x[..., :3]"
        raise InputError(f"{where} has the shape {shape}", expected=SHAPES, fix=fix)
    if x.dtype == bool:
        return "255 times"
    if x.dtype.kind not in "uif":
        raise InputError(f"{where} is of the type {x.dtype}", expected="uint8, another type of integer, or floats")
    low, high = (float(value) for value in (x.min(), x.max()))  # NaN makes both NaN
    if not 0 <= low <= high <= 255:
        fix = "give (x + 1) / 2" if -1 <= low <= high <= 1 else "undo the normalisation first"
        raise InputError(
            f"{where} has values from {low:g} to {high:g}",
            expected="0 to 255, or floats from 0 to 1",
            fix=fix if low == low else "remove NaN",
        )
    return "as they are" if x.dtype.kind in "ui" else "255 times" if high <= 1 else "rounded"


def png(image: npt.NDArray[Any], how: str) -> bytes:
    """One image of `check_pixels`' shapes, without the first axis, as a PNG file."""
    pixels = image.astype(np.float64) * 255 if how == "255 times" else image
    pixels = np.rint(pixels).astype(np.uint8) if pixels.dtype.kind == "f" else pixels.astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def labels(y: Any, classes: Sequence[str] | None, n: int, where: str) -> list[str | None]:
    """Names of the classes of `n` images, None for none.

    Args:
        y: (n,) or (n, 1) of numbers or names, or one-hot rows (n, classes).
        classes: names, by number; None: the numbers are the names.
        n: how many images there are.
        where: what messages call `y`.

    Raises:
        InputError: another shape, as many as there are images not, numbers that are no class, several labels a row.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if len(y.shape) == 0 or len(y) != n:
        raise InputError(f"{where} has the shape {y.shape}, and there are {n:,} images", expected="one label an image")
    if y.ndim == 2 and y.dtype.kind in "uifb":
        y = _from_one_hot(y, where)
    if y.ndim != 1:
        raise InputError(f"{where} has the shape {y.shape}", expected="one label an image, or one-hot rows")
    return [_name(value, classes, where) for value in y.tolist()]


def _from_one_hot(y: npt.NDArray[Any], where: str) -> npt.NDArray[np.int64]:
    if not np.isin(y, (0, 1)).all():
        raise InputError(f"{where} has rows of {y.shape[1]} numbers that are not 0 and 1", expected="one-hot rows")
    ones = y.astype(np.int64).sum(axis=1)
    if (ones > 1).any():
        row = int(np.argmax(ones > 1))
        raise another_task(where, f"several labels for one image ({ones[row]} in row {row})")
    return np.where(ones == 1, y.argmax(axis=1), -1)


def _name(value: Any, classes: Sequence[str] | None, where: str) -> str | None:
    if value is None or value == "" or value == -1 or value != value:
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, bool | float) and value == int(value):
        value = int(value)
    if classes is None or isinstance(value, str):
        return str(value)
    if not isinstance(value, int) or not 0 <= value < len(classes):
        expected = f"a number from 0 to {len(classes) - 1}, or a name"
        raise InputError(f"{where} has the label {value!r}", expected=expected)
    return str(classes[value])
