"""Classes with far fewer images than the others."""

from __future__ import annotations

from typing import Annotated

import pandas as pd

from imageclinic.audit.issue_rows import findings
from imageclinic.core.errors import NotApplicable
from imageclinic.core.option_fields import SHARE

URGENCY = 200
ABOUT = ("classes",)


def find(dataset: pd.DataFrame, *, min_share: Annotated[float, SHARE] = 0.33) -> pd.DataFrame:
    """Classes with fewer readable images than `min_share` of the median class.

    Why it matters: a network that never names a rare class still scores well on average. Look at the recall of
    each class, or at macro-F1, before you trust an accuracy.

    What to do: collect more images of the class, weight it or sample it more often in training. Never balance the
    validation or test images.

    Score: 1 − size / median size.
    """
    counts = dataset.loc[dataset["read_error"].isna(), "label"].dropna().value_counts().sort_index()
    if len(counts) < 2:
        raise NotApplicable(f"the dataset has {len(counts)} class(es)")
    median = float(counts.median())
    small = counts[counts < min_share * median]
    return findings(
        label=list(small.index),
        score=[1 - n / median for n in small],
        suggested_action=["review"] * len(small),
        evidence=[f"{n:,} images; the median class has {median:,.0f}, the largest {counts.max():,}." for n in small],
    )
