"""Copies of one image under different labels."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.copies.pair_views import both_ways, first_clusters
from imageclinic.audit.issue_rows import findings

URGENCY = 10
ABOUT = ("copies", "labels")


def find(dataset: pd.DataFrame, neighbors: pd.DataFrame, clusters: pd.DataFrame) -> pd.DataFrame:
    """Images whose copy carries another label: at least one of the two labels is wrong.

    Why it matters: the surest label errors there are; no model is needed to see them. The network is trained on
    both answers, and never right on one of them.

    What to do: look, relabel the wrong copy or drop both. A cluster with conflicting labels is never resolved
    without a decision. Where most copies agree, their label is suggested.

    Score: 1 for equal files, else the correlation of the pictures' detail.
    """
    labels = dataset.set_index("image_id")["label"].dropna()
    pairs = both_ways(neighbors)
    pairs = pairs.assign(own=pairs["image_id"].map(labels), theirs=pairs["other_id"].map(labels))
    pairs = pairs.dropna(subset=["own", "theirs"])
    votes = _majority(pairs)
    clash = pairs[pairs["own"] != pairs["theirs"]]
    worst = clash.sort_values(["image_id", "similarity", "other_id"], ascending=[True, False, True])
    worst = worst.drop_duplicates("image_id")
    suggested = worst["image_id"].map(votes)
    suggested = suggested.where(suggested != worst["own"])
    return findings(
        image_id=worst["image_id"],
        score=worst["similarity"].clip(0, 1).astype("float64"),
        cluster=worst["image_id"].map(first_clusters(clusters)),
        suggested_action=["review"] * len(worst),
        suggested_label=suggested,
        evidence=[
            f"Labelled {own}, its copy {other} is labelled {theirs}."
            for own, other, theirs in zip(worst["own"], worst["other_id"], worst["theirs"], strict=True)
        ],
    )


def _majority(pairs: pd.DataFrame) -> dict[str, str]:
    """image_id → label of more than half of the image and its copies."""
    own = pairs[["image_id", "own"]].drop_duplicates().rename(columns={"own": "label"})
    others = pairs[["image_id", "theirs"]].rename(columns={"theirs": "label"})
    counts = pd.concat([own, others]).groupby(["image_id", "label"]).size().rename("n").reset_index()
    total = counts.groupby("image_id")["n"].transform("sum")
    winners = counts[counts["n"] * 2 > total]
    return dict(zip(winners["image_id"], winners["label"], strict=True))
