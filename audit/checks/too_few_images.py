"""Classes that may be too small to learn."""

from __future__ import annotations

from typing import Annotated

import pandas as pd

from imageclinic.audit.issue_rows import findings, of_dataset
from imageclinic.core.errors import NotApplicable
from imageclinic.core.option_fields import whole

URGENCY = 200
ABOUT = ("classes",)

#: So many small classes are named one by one; more are a property of the dataset.
_MOST = 20


def find(dataset: pd.DataFrame, *, minimum: Annotated[int, whole(1, 10**9)] = 1000) -> pd.DataFrame:
    """Classes with fewer than `minimum` readable images: a note, not a verdict.

    Why it matters: networks trained from scratch rarely do well under about 1,000 images a class; with pretrained
    features 100 can be enough. The learning curve (`imageclinic diagnose`) shows what more images would bring.

    What to do: collect more, augment, or start from pretrained weights.

    More than 20 such classes are one finding. Score: 1 − size / minimum.
    """
    counts = dataset.loc[dataset["read_error"].isna(), "label"].dropna().value_counts().sort_index()
    if counts.empty:
        raise NotApplicable("no image has a label")
    small = counts[counts < minimum]
    if len(small) > _MOST:
        return of_dataset(
            float(1 - small.median() / minimum),
            f"{len(small):,} of {len(counts):,} classes have under {minimum:,} images: {small.median():,.0f} in the "
            f"median, {small.min():,} in {small.idxmin()}.",
        )
    return findings(
        label=list(small.index),
        score=[1 - n / minimum for n in small],
        suggested_action=["review"] * len(small),
        evidence=[f"{n:,} images, under {minimum:,}." for n in small],
    )
