"""New images that are copies of what the run keeps for another split."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.against.copy_words import evidence, worst_first
from imageclinic.audit.issue_rows import findings
from imageclinic.audit.verdict.line import number

URGENCY = 10
ABOUT = ("copies",)


def find(run_copies: pd.DataFrame) -> pd.DataFrame:
    """New images with a copy in the run that is in another split: a new training image that is a copy of a *test*
    image is the worst that a delivery can hold. A new image that came without a split counts as a training image.

    Score: 1 where test images are concerned, 0.5 for validation images.
    """
    across = run_copies[run_copies["across"]]
    first = worst_first(across).drop_duplicates("image_id")
    return findings(
        image_id=first["image_id"],
        score=(first["split"].eq("test") | first["run_split"].eq("test")).map({True: 1.0, False: 0.5}),
        suggested_action=["drop"] * len(first),
        evidence=evidence(first),
    )


def summed_up(issues: pd.DataFrame) -> tuple[str, str]:
    """What was found and what follows, in words."""
    into = int(issues["evidence"].str.contains("in the run's test split", regex=False).sum())
    if into:
        what = f"{number(into, 'new image')} {'is a copy' if into == 1 else 'are copies'} of the run's test images"
        if others := len(issues) - into:
            what += f", and {others:,} of images of its other splits"
    else:
        what = f"{number(len(issues), 'new image')} are copies of images that the run has in another split"
    return what, "trained on, they make the measured accuracy too high; leave them out"
