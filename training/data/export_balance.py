"""What an export says on balancing its training images: class weights, or how often to show each."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from typing_extensions import TypedDict

from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.reading.json_files import Number, read_json
from imageclinic.core.reading.parquet_files import MOST_ROWS
from imageclinic.core.schema import CLASS_WEIGHTS


class _Weights(TypedDict):
    classes: list[str]
    weights: list[Number]


def read(out: Path, train: pd.DataFrame, classes: list[str]) -> tuple[pd.DataFrame, dict[int, float] | None]:
    """The training images as an export balances them.

    Args:
        out: an export.
        train: the training rows of its manifest.
        classes: in the order of their numbers.

    Returns:
        The rows, those that are shown several times repeated; and class number → weight, None without weights.

    Raises:
        InputError: when the balance is of other images or classes.
    """
    sample, weights = out / tables.BALANCE.file, out / CLASS_WEIGHTS
    if sample.is_file():
        times = train["image_id"].map(tables.read_csv(sample, tables.BALANCE).set_index("image_id")["times"])
        if times.isna().any():
            raise InputError(
                f"{sample} lacks {int(times.isna().sum())} training images",
                expected="a row for each",
                fix="export again",
            )
        if times.sum() > MOST_ROWS:
            raise InputError(f"{sample} shows {times.sum():,.0f} images an epoch", expected=f"at most {MOST_ROWS:,}")
        return train.loc[train.index.repeat(times.astype("int64"))], None
    if not weights.is_file():
        return train, None
    try:
        content = read_json(weights, _Weights, fix="export again")
        known = dict(zip(content["classes"], content["weights"], strict=True))
        return train, {number: float(known[name]) for number, name in enumerate(classes)}
    except (ValueError, KeyError) as error:
        raise InputError(
            f"{weights} does not fit: {error!r}", expected="a weight for each class", fix="export again"
        ) from error
