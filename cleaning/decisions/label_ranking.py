"""Flagged labels in the order of the newest scores, which know the decisions so far."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from imageclinic.core import tables
from imageclinic.core.run import Run

#: The check whose findings are ranked again.
CHECK = "mislabeled"


def newest(run: Run) -> Path | None:
    """The file of the labels' newest scores, where there are any."""
    return max(run.path.glob("rerank-*.parquet"), default=None)


def known_rows(path: Path | None) -> int:
    """How many rows the decision log had when labels were scored into `path`."""
    return int(tables.metadata(path).get("decisions", 0)) if path else 0


def doubt(issues: pd.DataFrame, ranked: pd.DataFrame | None) -> pd.Series:
    """How doubtful each flagged label is, 1 is worst: by the newest scores, else by the audit's.

    Args:
        issues: tables.ISSUES.
        ranked: tables.RERANK, or None when labels were not ranked again.

    Returns:
        float64 by ``image_id``, for images with a finding of `CHECK`.
    """
    found = issues[issues["check"].eq(CHECK) & issues["image_id"].notna()]
    before = found.groupby("image_id")["score"].max().astype("float64")
    if ranked is None:
        return before
    now = 1 - ranked.set_index("image_id")["label_quality"]
    return now.reindex(before.index).fillna(before)
