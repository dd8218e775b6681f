"""What changed between two exports."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from imageclinic.core import tables

COLUMNS = ("image_id", "change", "before", "after")
_ASPECTS = {"label": "label", "split": "split", "sha256": "content", "decision": "decision"}


def diff(out1: Path, out2: Path) -> pd.DataFrame:
    """Compare the manifests of two exports.

    Returns:
        image_id, change (added, removed, label, split, content, decision), before, after (null: none), sorted
        by image_id. Added and removed images show split and label as ``split/label``.

    Raises:
        InputError: when one of them is no export.
    """
    before, after = (
        tables.read_csv(out / tables.MANIFEST.file, tables.MANIFEST).set_index("image_id") for out in (out1, out2)
    )
    both = before.index.intersection(after.index)
    parts = [
        _rows("removed", (before["split"] + "/" + before["label"]).drop(both), None),
        _rows("added", None, (after["split"] + "/" + after["label"]).drop(both)),
    ]
    for column, change in _ASPECTS.items():
        one, other = before.loc[both, column], after.loc[both, column]
        unequal = one.fillna("").ne(other.fillna(""))
        parts.append(_rows(change, one[unequal], other[unequal]))
    result = pd.concat(parts, ignore_index=True)
    return result.sort_values(["image_id", "change"], ignore_index=True)[list(COLUMNS)].astype("str")


def _rows(change: str, before: pd.Series | None, after: pd.Series | None) -> pd.DataFrame:
    index = (before if before is not None else after).index  # type: ignore[union-attr]
    return pd.DataFrame(
        {
            "image_id": index,
            "change": change,
            "before": None if before is None else before.to_numpy(),
            "after": None if after is None else after.to_numpy(),
        }
    )
