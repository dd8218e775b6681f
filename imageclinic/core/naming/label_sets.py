"""Label sets: the classes of an image that may have several, as one text: sorted, joined by the user's separator. Pure.

Tables hold a label set in their column `label`; `label_separator` of run.json and export.json says that they do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core.errors import InputError

KEY = "label_separator"


def classes_of(label: str, separator: str) -> list[str]:
    """The distinct classes in a cell, sorted; spaces around names and empty names are dropped."""
    return sorted({name.strip() for name in label.split(separator)} - {""})


def joined(classes: Iterable[str], separator: str) -> str | None:
    """Classes → label set; None for no class."""
    return separator.join(sorted(set(classes))) or None


def in_order(labels: pd.Series, separator: str) -> pd.Series:
    """Cells as users write them → label sets, null for none: ``dog| cat`` and ``cat|dog`` are one."""
    sets = {text: joined(classes_of(str(text), separator), separator) for text in labels.dropna().unique()}
    return labels.map(sets).astype("str")


def every_class(labels: pd.Series, separator: str) -> list[str]:
    """All classes of nullable label sets, sorted."""
    return sorted({name for text in labels.dropna().unique() for name in classes_of(str(text), separator)})


def by_class(table: pd.DataFrame, separator: str | None, column: str = "label") -> pd.DataFrame:
    """The table with a row for each class of each image, under the row's old index; as it is without a separator. Rows
    without label stay single."""
    if separator is None:
        return table
    sets = [None if pd.isna(text) else classes_of(str(text), separator) for text in table[column]]
    wide = table.assign(**{column: pd.Series(sets, index=table.index, dtype=object)}).explode(column)
    return wide.assign(**{column: wide[column].astype("str")})


def matrix(labels: pd.Series, classes: Sequence[str], separator: str) -> npt.NDArray[np.bool_]:
    """Which of `classes` each label set holds, (n, classes)."""
    number = {name: k for k, name in enumerate(classes)}
    held = np.zeros((len(labels), len(classes)), bool)
    for row, text in enumerate(labels):
        held[row, [number[name] for name in classes_of(str(text), separator)]] = True
    return held


def check_separator(separator: str) -> None:
    """Raises InputError for a separator that can't be one."""
    if not separator.strip() or separator.strip() != separator or len(separator) > 3:
        raise InputError(f"the label separator {separator!r}", expected="one to three characters, such as | or ;")


def refuse(info: Mapping[str, Any], command: str) -> None:
    """Raises InputError where run.json or export.json says that images may have several classes."""
    if info.get(KEY) is not None:
        raise InputError(
            f"{command} is not for images that may have several classes (multi-label) yet",
            expected="a dataset with one class for each image",
            fix="audit, decide, review, export and verify take multi-label data, see docs/multi-label.md",
        )
