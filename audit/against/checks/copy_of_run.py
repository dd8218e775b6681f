"""New images that the run has already."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.against.copy_words import evidence, worst_first
from imageclinic.audit.issue_rows import findings
from imageclinic.audit.verdict.line import number
from imageclinic.core.tables import TILE

URGENCY = 90
ABOUT = ("copies",)


def find(run_copies: pd.DataFrame) -> pd.DataFrame:
    """New images with a copy in the run, in the split that they are meant for: they bring nothing new.

    A collage and its tiles are for you to look at: neither replaces the other. Score: 1 for the same bytes or pixels,
    else the correlation of the detail.
    """
    within = run_copies[~run_copies["image_id"].isin(run_copies.loc[run_copies["across"], "image_id"])]
    first = worst_first(within).drop_duplicates("image_id")
    return findings(
        image_id=first["image_id"],
        score=first["similarity"].clip(0, 1),
        suggested_action=["review" if transform == TILE else "drop" for transform in first["transform"]],
        evidence=evidence(first),
    )


def summed_up(issues: pd.DataFrame) -> tuple[str, str]:
    """What was found and what follows, in words."""
    many = "is in the run already" if len(issues) == 1 else "are in the run already"
    return f"{number(len(issues), 'new image')} {many}", "they would count twice in training; leave them out"
