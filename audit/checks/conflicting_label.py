"""Copies of one image under different labels, and images that are given several."""

from __future__ import annotations

import json

import pandas as pd

from imageclinic.audit.copies.pair_views import both_ways, first_clusters
from imageclinic.audit.issue_rows import findings

URGENCY = 10
ABOUT = ("copies", "labels")


def find(dataset: pd.DataFrame, neighbors: pd.DataFrame, clusters: pd.DataFrame) -> pd.DataFrame:
    """Images whose copy carries another label, and images that a manifest gives several: at least one label is wrong.

    Why it matters: the surest label errors there are; no model is needed to see them. The network is trained on
    both answers, and never right on one of them.

    What to do: look, relabel the wrong copy or drop both. A cluster with conflicting labels is never resolved
    without a decision. Where most copies agree, their label is suggested.

    An image that a manifest lists under several labels has none until you relabel it, and is not exported before.

    Score: 1 for equal files and several labels, else the correlation of the pictures' detail.
    """
    several = dataset[dataset["given_labels"].notna()]
    given = several["given_labels"].map(json.loads)
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
    among_copies = findings(
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
    of_several = findings(
        image_id=several["image_id"],
        score=[1.0] * len(several),
        suggested_action=["review"] * len(several),
        evidence=[f"The manifest labels it {' and '.join(names)}: no label until you give it one." for names in given],
    )
    return pd.concat([f for f in (of_several, among_copies) if len(f)] or [among_copies], ignore_index=True)


def _majority(pairs: pd.DataFrame) -> dict[str, str]:
    """image_id → label of more than half of the image and its copies."""
    own = pairs[["image_id", "own"]].drop_duplicates().rename(columns={"own": "label"})
    others = pairs[["image_id", "theirs"]].rename(columns={"theirs": "label"})
    counts = pd.concat([own, others]).groupby(["image_id", "label"]).size().rename("n").reset_index()
    total = counts.groupby("image_id")["n"].transform("sum")
    winners = counts[counts["n"] * 2 > total]
    return dict(zip(winners["image_id"], winners["label"], strict=True))
