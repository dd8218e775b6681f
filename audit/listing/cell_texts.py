"""Cells of a manifest as text."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.listing import several_classes
from imageclinic.core.errors import InputError


def texts(column: pd.Series, where: str) -> npt.NDArray[np.object_]:
    """The column as text that can be written as UTF-8, None for none. Each distinct value is looked at once."""
    try:
        codes, values = pd.factorize(column)
    except TypeError:
        raise InputError(
            f"{where}: the column {column.name!r} holds lists",
            expected="one value per image",
            fix=several_classes.SENTENCE,
        ) from None
    found = [None if (text := text_of(value)) is None else _utf8(text) for value in values]
    return np.array([*found, None], dtype=object)[codes]


def text_of(value: object) -> str | None:
    """A cell as text; None for an empty one."""
    if value is None or value == "" or (not isinstance(value, str) and bool(pd.isna(value))):  # type: ignore[call-overload]
        return None
    if isinstance(value, bytes | os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, float | np.floating) and value.is_integer():
        value = int(value)
    return str(value)


def _utf8(text: str) -> str:
    """Stray bytes as ``\\xNN``."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half of a surrogate pair
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
