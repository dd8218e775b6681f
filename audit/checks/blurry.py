"""Images that are blurred, compared with the rest of the dataset."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd

from imageclinic.audit.copies.find_copies import FLAT
from imageclinic.audit.issue_rows import findings, is_property, robust_z
from imageclinic.core.errors import NotApplicable
from imageclinic.core.option_fields import SHARE, Range
from imageclinic.core.rows import lookup

URGENCY = 110
ABOUT = ("images",)

#: Images of a class from which its own median means something.
_CLASS = 20


def find(
    dataset: pd.DataFrame,
    features: pd.DataFrame,
    *,
    deviations: Annotated[float, Range(0, 100)] = 2.5,
    share: Annotated[float, SHARE] = 0.4,
) -> pd.DataFrame:
    """Images far less sharp than the medians of the dataset and of their class: by `deviations` robust standard
    deviations of the logarithm of sharpness, and below `share` of the median.

    Why it matters: motion and focus blur remove what tells classes apart; if one class was photographed worse, blur
    itself becomes the label.

    What to do: look; drop what a person can't recognise.

    How sharp a picture is depends on what is shown, so the threshold adapts to the dataset, and smooth objects (a
    bottle, a slice of a body) are compared with their like: classes of 20 or more images. Where more than 5 % (and more
    than 20) are as blurred as that, smooth pictures are a kind of their own in this dataset, and blur looks
    like them: not applicable. Sharpness is the mean
    squared Laplacian over the mean squared slope of the grey picture at 64 pixels, without unit: 1 / (2 σ²) for edges
    blurred by σ of these pixels, whatever the contrast. Blur of less than 1 % of the side can't be seen at that size.
    Of photographs 500 pixels wide it found 10 of 12 blurred by 6 pixels, 10 by 8, 12 by 12, 10 by 20, and 1 of 400
    intact ones; CleanVision, whose measure grows with contrast, 3, 4, 6, 6 and 7, most of these dark and sharp.
    Blank pictures are left to `low_information`. Score: 1 − sharpness / median.
    """
    judged = features.loc[features["contrast"] >= FLAT, ["image_id", "sharpness"]]
    if judged.empty:
        return findings()
    sharp = judged["sharpness"].to_numpy(dtype=np.float64)
    median = float(np.median(sharp))
    # Of a picture without any edge nobody needs to know how wide its edges are.
    sharp = np.maximum(sharp, max(median, 1e-6) / 10_000)
    flagged = (robust_z(np.log(sharp)) < -deviations) & (sharp < share * median)
    codes, labels = pd.factorize(lookup.values(judged["image_id"], dataset, "label"))
    ends = np.cumsum(np.bincount(codes + 1, minlength=len(labels) + 1))  # without a label first
    for rows in np.split(np.argsort(codes, kind="stable"), ends[:-1])[1:]:
        if len(rows) >= _CLASS:
            own = sharp[rows]
            flagged[rows] &= (robust_z(np.log(own)) < -deviations) & (own < share * np.median(own))
    if is_property(int(flagged.sum()), len(judged)):
        raise NotApplicable(
            f"{flagged.sum():,} of {len(judged):,} images are smooth: in such a dataset blur and smooth objects "
            "look alike"
        )
    return findings(
        image_id=judged["image_id"][flagged],
        score=1 - sharp[flagged] / median,
        suggested_action=["review"] * int(flagged.sum()),
        evidence=[
            f"Edges are {np.sqrt(median / v):.1f} times as wide as in the median image "
            f"(sharpness {v:.2g}, median {median:.2g})."
            for v in sharp[flagged]
        ],
    )
