"""Copies of one image under different labels, and images that are given several."""

from __future__ import annotations

import json

import pandas as pd

from imageclinic.audit.copies.pair_views import both_ways, in_words
from imageclinic.audit.issue_rows import findings
from imageclinic.core.rows import lookup

URGENCY = 10
ABOUT = ("copies", "labels")
#: Classes don't mind a turn when so many pairs within them differ by it, and so many times as many as between them.
INDIFFERENT = (3, 3)


def find(dataset: pd.DataFrame, neighbors: pd.DataFrame, clusters: pd.DataFrame) -> pd.DataFrame:
    """Images whose copy carries another label, and images that a manifest gives several: at least one label is wrong.

    Why it matters: the surest label errors there are; no model is needed to see them. The network is trained on
    both answers, and never right on one of them.

    What to do: look, relabel the wrong copy or drop both. A cluster with conflicting labels is never resolved
    without a decision. Where most copies agree, their label is suggested.

    An image that a manifest lists under several labels has none until you relabel it, and is not exported before.

    Only copies that show the same count: not those that differ in one place (a logo at the margin), for that may be
    what the classes are about. Mirrored, turned and cropped copies count where the dataset shows that their classes
    don't mind: at least 3 pairs mirrored, turned or cropped in that way lie within the two classes, and 3 times as many
    as between them. Left and right may be classes, and so may a cat and its face. `near_duplicate` lists the others,
    and names their labels.

    Score: 1 for equal files and several labels, else the correlation of the pictures' detail.
    """
    several = dataset[dataset["given_labels"].notna()]
    given = several["given_labels"].map(json.loads)
    pairs = both_ways(neighbors)
    own, theirs = (lookup.values(pairs[end], dataset, "label") for end in ("image_id", "other_id"))
    pairs = pairs.assign(own=own, theirs=theirs)
    pairs = pairs.dropna(subset=["own", "theirs"])
    # Runs of earlier versions did not look at local differences.
    pairs = pairs[pairs["difference"].fillna(0).le(1)]
    pairs = pairs[_means_the_same(pairs)]
    votes = _majority(pairs)
    clash = pairs[pairs["own"] != pairs["theirs"]]
    worst = clash.sort_values(["image_id", "similarity", "other_id"], ascending=[True, False, True])
    worst = worst.drop_duplicates("image_id")
    suggested = worst["image_id"].map(votes)
    suggested = suggested.where(suggested != worst["own"])
    among_copies = findings(
        image_id=worst["image_id"],
        score=worst["similarity"].clip(0, 1).astype("float64"),
        cluster=lookup.values(worst["image_id"], clusters, "cluster"),
        suggested_action=["review"] * len(worst),
        suggested_label=suggested,
        evidence=[
            f"Labelled {own}, its copy {other}"
            + ("" if how == "identity" else f", {in_words(how)},")
            + f" is labelled {theirs}."
            for own, other, theirs, how in zip(
                worst["own"], worst["other_id"], worst["theirs"], worst["transform"], strict=True
            )
        ],
    )
    of_several = findings(
        image_id=several["image_id"],
        score=[1.0] * len(several),
        suggested_action=["review"] * len(several),
        evidence=[f"The manifest labels it {' and '.join(names)}: no label until you give it one." for names in given],
    )
    return pd.concat([f for f in (of_several, among_copies) if len(f)] or [among_copies], ignore_index=True)


def _means_the_same(pairs: pd.DataFrame) -> pd.Series:
    """Which pairs (both ways) show their classes' picture in a way that keeps the class: upright ones; mirrored, turned
    and cropped ones (a face is not the whole cat) where enough such pairs lie within the two classes, against those
    between them."""
    way = pairs["transform"].map({"rot270": "rot90"}).fillna(pairs["transform"])
    within = pairs[pairs["own"].eq(pairs["theirs"])].groupby([way, pairs["own"]]).size() / 2
    classes = [way, pairs[["own", "theirs"]].min(axis=1), pairs[["own", "theirs"]].max(axis=1)]
    between = pairs[pairs["own"].ne(pairs["theirs"])].groupby(classes).size() / 2
    known = sum(
        pd.Series(pd.MultiIndex.from_arrays([way, pairs[end]]).map(within.to_dict()), pairs.index).fillna(0)
        for end in ("own", "theirs")
    )
    against = pd.Series(pd.MultiIndex.from_arrays(classes).map(between.to_dict()), pairs.index).fillna(0)
    indifferent = (known >= INDIFFERENT[0]) & (known >= INDIFFERENT[1] * against)
    return pairs["transform"].eq("identity") | pairs["own"].eq(pairs["theirs"]) | indifferent


def _majority(pairs: pd.DataFrame) -> dict[str, str]:
    """image_id → label of more than half of the image and its copies."""
    own = pairs[["image_id", "own"]].drop_duplicates().rename(columns={"own": "label"})
    others = pairs[["image_id", "theirs"]].rename(columns={"theirs": "label"})
    counts = pd.concat([own, others]).groupby(["image_id", "label"]).size().rename("n").reset_index()
    total = counts.groupby("image_id")["n"].transform("sum")
    winners = counts[counts["n"] * 2 > total]
    return dict(zip(winners["image_id"], winners["label"], strict=True))
