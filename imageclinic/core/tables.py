"""Tables: validated when written and when read. `core.schema` says what their columns are.

This module imports nothing of ours but the schema and the error types, and everything else may import it.
Frames are joined on ``image_id``, never by position.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core.atomic import replacing, write_json, write_text
from imageclinic.core.columns import Column, Table
from imageclinic.core.ids import to_image_id, to_path
from imageclinic.core.reading.parquet_files import (
    metadata,
    read_vectors,
    write_arrow,
    write_byte_chunks,
    write_vectors,
)
from imageclinic.core.rows import frames
from imageclinic.core.rows.csv_files import escape_cell, read_csv, unescape_cell, write_csv
from imageclinic.core.rows.frames import validate
from imageclinic.core.rows.parquet_tables import read, read_pieces, read_rows, write_pieces
from imageclinic.core.schema import (
    ACTIONS,
    ALIGNED,
    BALANCE,
    CLUSTERS,
    DATASET,
    DECISION_LOG,
    DECISIONS,
    FEATURES,
    ISSUES,
    MANIFEST,
    NEIGHBORS,
    NEW_IMAGES,
    ORIENTATIONS,
    OUTCOMES,
    PAIR_KINDS,
    PREDICTIONS,
    RERANK,
    SPLIT_TABLE,
    SPLITS,
    TABLES,
    TILE,
    VECTOR_IDS,
)
from imageclinic.core.schemas.annotator_tables import ANNOTATIONS, CONSENSUS

__all__ = [
    "ACTIONS",
    "ALIGNED",
    "ANNOTATIONS",
    "BALANCE",
    "CLUSTERS",
    "CONSENSUS",
    "DATASET",
    "DECISIONS",
    "DECISION_LOG",
    "FEATURES",
    "ISSUES",
    "MANIFEST",
    "NEIGHBORS",
    "NEW_IMAGES",
    "ORIENTATIONS",
    "OUTCOMES",
    "PAIR_KINDS",
    "PREDICTIONS",
    "RERANK",
    "SPLITS",
    "SPLIT_TABLE",
    "TABLES",
    "TILE",
    "VECTOR_IDS",
    "Column",
    "Embeddings",
    "Predictions",
    "Table",
    "empty",
    "escape_cell",
    "frame",
    "is_current",
    "metadata",
    "read",
    "read_csv",
    "read_pieces",
    "read_rows",
    "read_vectors",
    "replacing",
    "to_image_id",
    "to_path",
    "unescape_cell",
    "validate",
    "write",
    "write_byte_chunks",
    "write_csv",
    "write_json",
    "write_pieces",
    "write_text",
    "write_vectors",
]


@dataclass(frozen=True)
class Embeddings:
    """embeddings.parquet: one row per readable image. `vectors` is float32 of shape (images, width). The columns from
    and to `shallow` are features of earlier layers: they help to tell labels, and blur how alike two images are."""

    image_id: pd.Series
    vectors: npt.NDArray[np.float32]
    shallow: tuple[int, int] = (0, 0)

    @property
    def alike(self) -> npt.NDArray[np.float32]:
        """float32 (images, at most width): the vectors that distances are measured between, without shallow columns."""
        first, last = self.shallow
        if last == self.vectors.shape[1]:
            return self.vectors[:, :first]
        return self.vectors if first == last else np.delete(self.vectors, np.s_[first:last], axis=1)

    @property
    def last_layer(self) -> npt.NDArray[np.float32]:
        """float32 (images, at most width): what a network's last layer says, where columns of earlier layers and maybe
        patches are beside it; else as `alike`. It is about what a picture shows; light, sharpness and colours, which
        patches are about, have checks of their own."""
        first, _ = self.shallow
        return self.vectors[:, :first] if first else self.alike


def shallow_columns(file: Path) -> tuple[int, int]:
    """What embeddings.parquet has as `Embeddings.shallow`: ``from:to`` in its metadata; none where that is missing."""
    first, _, last = metadata(file).get("shallow", "").partition(":")
    return (int(first), int(last)) if first.isdecimal() and last.isdecimal() else (0, 0)


@dataclass(frozen=True)
class Predictions:
    """predictions.parquet: one row per readable, labelled image.

    `rows` has image_id, fold and label_quality (in [0, 1], 0 = worst); `pred_probs` is float32 of shape
    (images, classes): the out-of-fold probability of the *given* label's classes, rows sum to 1.
    """

    rows: pd.DataFrame
    pred_probs: npt.NDArray[np.float32]
    classes: tuple[str, ...]


def frame(table: Table, **columns: Any) -> pd.DataFrame:
    """Build a validated frame of `table` from columns; scalars are repeated, missing nullable columns are null."""
    lengths = {len(v) for v in columns.values() if not isinstance(v, str) and hasattr(v, "__len__")}
    n = lengths.pop() if lengths else 0
    if not n and not lengths:
        return empty(table)
    data = {}
    for column in table.columns:
        value = columns.get(column.name)
        if value is None or isinstance(value, str) or not hasattr(value, "__len__"):
            value = [value] * n
        data[column.name] = value.reset_index(drop=True) if isinstance(value, pd.Series) else value
    return validate(pd.DataFrame(data), table)


def empty(table: Table) -> pd.DataFrame:
    """A frame of `table` without rows."""
    return _empty(table).copy()


@functools.cache
def _empty(table: Table) -> pd.DataFrame:
    return frames.to_frame(table.schema.empty_table(), table)


def write(path: Path, data: pd.DataFrame, table: Table, metadata: Mapping[str, str] | None = None) -> None:
    """Validate `data` and write it to `path` as Parquet: under a temporary name, then renamed."""
    write_arrow(path, frames.to_arrow(data, table, str(path)), metadata)


def is_current(path: Path, key: str) -> bool:
    """Whether the table at `path` was made from the inputs that `key` names."""
    return metadata(path).get("key") == key
