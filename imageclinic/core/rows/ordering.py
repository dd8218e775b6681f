"""Rows in an order, without a Python string for each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from imageclinic.core.rows.lookup import rising


def in_order(rows: pd.DataFrame, by: Mapping[str, Literal["ascending", "descending"]]) -> pd.DataFrame:
    """The rows by these columns, the first of them first; nulls last, and what is equal stays in its order. As pandas'
    `sort_values`, whose categories of text are Python strings."""
    keys = pa.table({name: pa.array(rows[name], from_pandas=True) for name in by})
    if set(by.values()) == {"ascending"} and rising(keys.columns):
        return rows  # as most tables are: nothing is copied
    return rows.iloc[pc.sort_indices(keys, sort_keys=list(by.items())).to_numpy()]
