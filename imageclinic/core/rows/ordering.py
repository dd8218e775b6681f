"""Rows in an order, without a Python string for each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from imageclinic.core.rows.lookup import rising

By: TypeAlias = Mapping[str, Literal["ascending", "descending"]]


def in_order(rows: pd.DataFrame, by: By) -> pd.DataFrame:
    """The rows by these columns, the first of them first; nulls last, and what is equal stays in its order. As pandas'
    `sort_values`, whose categories of text are Python strings."""
    order = _order(rows, by)
    return rows if order is None else rows.iloc[order]  # most tables are in order: nothing is copied


def places_in_order(rows: pd.DataFrame, by: By) -> npt.NDArray[np.intp]:
    """The positions of the rows in the order of `in_order`, intp (n,)."""
    order = _order(rows, by)
    return np.arange(len(rows)) if order is None else order


def _order(rows: pd.DataFrame, by: By) -> npt.NDArray[np.intp] | None:
    """None: they are in order."""
    keys = pa.table({name: pa.array(rows[name], from_pandas=True) for name in by})
    if set(by.values()) == {"ascending"} and rising(keys.columns):
        return None
    return np.asarray(pc.sort_indices(keys, sort_keys=list(by.items())).to_numpy().astype(np.intp))
