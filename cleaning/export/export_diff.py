"""What changed between two exports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from imageclinic.core import tables
from imageclinic.core.large import text_rows
from imageclinic.core.rows import lookup, ordering

COLUMNS = ("image_id", "change", "before", "after")
_ASPECTS = {"label": "label", "split": "split", "sha256": "content", "decision": "decision"}
#: Rows that are compared together.
_PIECE = 1 << 18


def diff(out1: Path, out2: Path) -> pd.DataFrame:
    """Compare the manifests of two exports.

    Returns:
        image_id, change (added, removed, label, split, content, decision), before, after (null: none), sorted
        by image_id. Added and removed images show split and label as ``split/label``.

    Raises:
        InputError: when one of them is no export.
    """
    before, after = _manifest(out1), _manifest(out2)
    at = lookup.places(*(side["image_id"].combine_chunks() for side in (before, after)))
    lost = before.filter(pa.array(at < 0))
    new = np.ones(len(after), np.bool_)
    new[at[at >= 0]] = False
    added = after.filter(pa.array(new))
    parts = [
        _rows("removed", lost["image_id"], _placed(lost), None),
        _rows("added", added["image_id"], None, _placed(added)),
        *_changes(before, after, at),
    ]
    found = pa.concat_tables(parts).to_pandas().astype("str")
    return ordering.in_order(found, {"image_id": "ascending", "change": "ascending"}).reset_index(drop=True)


def _manifest(out: Path) -> pa.Table:
    """What is compared, each column one array: to take rows of pieces would copy all of them."""
    read = tables.read_csv(out / tables.MANIFEST.file, tables.MANIFEST, ["image_id", *_ASPECTS])
    return pa.table({name: text_rows.text(read.pop(name)) for name in ("image_id", *_ASPECTS)})


def _changes(before: pa.Table, after: pa.Table, at: npt.NDArray[np.intp]) -> Iterator[pa.Table]:
    """Rows about images that both exports have; `at` is where the second one has those of the first, or -1."""
    for start in range(0, len(at), _PIECE):
        where = at[start : start + _PIECE]
        one = before.slice(start, _PIECE).filter(pa.array(where >= 0))
        other = after.take(pa.array(where[where >= 0]))
        for column, change in _ASPECTS.items():
            unequal = pc.not_equal(pc.fill_null(one[column], ""), pc.fill_null(other[column], ""))
            yield _rows(change, *(values.filter(unequal) for values in (one["image_id"], one[column], other[column])))


def _placed(images: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(images["split"], images["label"], pa.scalar("/", pa.large_string()))


def _rows(change: str, ids: pa.ChunkedArray, before: pa.ChunkedArray | None, after: pa.ChunkedArray | None) -> pa.Table:
    text, none = pa.large_string(), pa.nulls(len(ids), pa.large_string())
    columns = [ids, pa.repeat(pa.scalar(change, text), len(ids)), none if before is None else before]
    return pa.table([*columns, none if after is None else after], pa.schema([(name, text) for name in COLUMNS]))
