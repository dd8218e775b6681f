"""added/NAME.parquet in a run: the images that one ``imageclinic check --add`` put there, and what they came with."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from imageclinic.core import schema, tables
from imageclinic.core.reading.image_files import SUFFIX
from imageclinic.core.run import Run

_COLUMNS = ("image_id", "label", "split", "group")

ADDED = tables.Table(
    "added",
    "added.parquet",
    "image that was added to the run",
    tuple(column for column in schema.DATASET.columns if column.name in _COLUMNS),
    ("image_id",),
    command="check",
)


def file(run: Run, name: str) -> Path:
    """Where the table of added images is that are called ``NAME/…``."""
    return run.added / f"{name}{SUFFIX}"


def read(run: Run) -> pd.DataFrame:
    """All images that were added to a run: image_id, label, split (null: train) and group.

    Raises:
        InputError: a table is damaged.
    """
    names = sorted(p.name for p in run.added.glob(f"*{SUFFIX}")) if run.added.is_dir() else []
    parts = [tables.read(run.added / name, ADDED) for name in names]
    return pd.concat(parts, ignore_index=True) if parts else tables.empty(ADDED)
