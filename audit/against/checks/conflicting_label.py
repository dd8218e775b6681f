"""New images whose copy has another label."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.against.copy_words import worst_first
from imageclinic.audit.copies.pair_views import both_ways
from imageclinic.audit.issue_rows import findings
from imageclinic.audit.verdict.line import number
from imageclinic.core.errors import NotApplicable
from imageclinic.core.tables import ALIGNED, TILE

URGENCY = 30
ABOUT = ("labels",)


def find(dataset: pd.DataFrame, run_copies: pd.DataFrame, new_copies: pd.DataFrame) -> pd.DataFrame:
    """New images with a copy, in the run or among the new ones, under another label: one of the two is wrong.

    The run's label is the one that was decided, where one was. A part of a picture may rightly have another label than
    the whole, as a cat and its face: such copies are named by the other checks, with their label. Score: 1.
    """
    label = dataset.set_index("image_id")["label"]
    if label.isna().all():
        raise NotApplicable("no new image has a label")
    old = worst_first(run_copies)
    old = old[_whole(old) & old["run_label"].notna() & old["label"].notna() & (old["run_label"] != old["label"])]
    rows = [
        (i, j, own, other, f"in the run, labelled {other}", other)
        for i, j, own, other in old[["image_id", "other_id", "label", "run_label"]].itertuples(index=False)
    ]
    pairs = both_ways(new_copies[_whole(new_copies)])
    for i, j in pairs[["image_id", "other_id"]].itertuples(index=False):
        own, other = label[i], label[j]
        if pd.notna(own) and pd.notna(other) and own != other:
            rows.append((i, j, own, other, f"among the new images, labelled {other}", None))
    found = pd.DataFrame(rows, columns=["image_id", "other_id", "own", "other", "where", "suggested"])
    found = found.drop_duplicates("image_id")
    return findings(
        image_id=found["image_id"],
        score=[1.0] * len(found),
        suggested_action=["review" if s is None else "relabel" for s in found["suggested"]],
        suggested_label=found["suggested"],
        evidence=[
            f"Labelled {own}; its copy {other_id} is {where}."
            for own, other_id, where in zip(found["own"], found["other_id"], found["where"], strict=True)
        ],
    )


def _whole(pairs: pd.DataFrame) -> pd.Series:
    """Whether both pictures of a pair show the same, maybe mirrored or turned."""
    return ~pairs["transform"].isin((ALIGNED, TILE))


def summed_up(issues: pd.DataFrame) -> tuple[str, str]:
    """What was found and what follows, in words."""
    return (
        f"{number(len(issues), 'new image has', 'new images have')} a copy under another label",
        "one of the two labels is wrong",
    )
