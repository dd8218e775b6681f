"""New images that are copies of each other."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.copies.pair_views import partners
from imageclinic.audit.issue_rows import findings
from imageclinic.audit.verdict.line import number

URGENCY = 95
ABOUT = ("copies",)


def find(new_copies: pd.DataFrame, new_clusters: pd.DataFrame) -> pd.DataFrame:
    """New images that are copies of other new ones. All are listed; the first of each cluster is accepted.

    Score: 1 for the same bytes or pixels, else the correlation of the detail.
    """
    found = partners(new_copies, new_clusters, ("bytes", "pixels", "near"))
    kinds = {"bytes": "The same bytes as", "pixels": "The same pixels as", "near": "A near copy of"}
    return findings(
        image_id=found["image_id"],
        score=found["similarity"].clip(0, 1),
        cluster=found["cluster"],
        suggested_action=["review"] * len(found),
        evidence=[
            f"{kinds[kind]} the new image {other}."
            for kind, other in zip(found["kind"], found["other_id"], strict=True)
        ],
    )


def summed_up(issues: pd.DataFrame) -> tuple[str, str]:
    """What was found and what follows, in words."""
    return f"{number(len(issues), 'new image')} are copies of each other", "one of each cluster is enough"
