"""Copies on both sides of a split."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.copies.pair_views import both_ways
from imageclinic.audit.issue_rows import findings
from imageclinic.core.errors import NotApplicable
from imageclinic.core.rows import lookup

URGENCY = 30
ABOUT = ("copies",)
COPIES = "across splits"


def find(dataset: pd.DataFrame, neighbors: pd.DataFrame, clusters: pd.DataFrame) -> pd.DataFrame:
    """Images with a copy in another split of the dataset.

    Why it matters: a test image that was trained on is remembered, not recognised: accuracy looks better than it is.

    What to do: drop the copy on the training side. The export never puts copies into two splits.

    Not applicable to a dataset that came without splits: the ones drawn by the audit keep copies together.
    Score: 1 for equal files, else the correlation of the pictures' detail.
    """
    if dataset["split"].nunique() < 2:
        raise NotApplicable("the dataset came without splits; those that the audit draws keep copies together")
    pairs = both_ways(neighbors)
    own, theirs = (lookup.values(pairs[end], dataset, "split") for end in ("image_id", "other_id"))
    pairs = pairs.assign(own=own, theirs=theirs)
    across = pairs[(pairs["own"] != pairs["theirs"]) & pairs["own"].notna() & pairs["theirs"].notna()]
    worst = across.sort_values(["image_id", "similarity", "other_id"], ascending=[True, False, True])
    worst = worst.drop_duplicates("image_id")
    return findings(
        image_id=worst["image_id"],
        score=worst["similarity"].clip(0, 1).astype("float64"),
        cluster=lookup.values(worst["image_id"], clusters, "cluster"),
        suggested_action=["review"] * len(worst),
        evidence=[
            f"In {own}, and its copy {other} is in {theirs}."
            for own, other, theirs in zip(worst["own"], worst["other_id"], worst["theirs"], strict=True)
        ],
    )
