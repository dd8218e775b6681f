"""Grey images in a dataset of colour images."""

from __future__ import annotations

from typing import Annotated

import pandas as pd

from imageclinic.audit.copies.find_copies import FLAT
from imageclinic.audit.issue_rows import findings, is_property, of_dataset
from imageclinic.core.errors import NotApplicable
from imageclinic.core.option_fields import SHARE

URGENCY = 160
ABOUT = ("images",)


def find(features: pd.DataFrame, *, threshold: Annotated[float, SHARE] = 0.02) -> pd.DataFrame:
    """Images without colour, also when stored as RGB, in a dataset that is mostly in colour.

    Why it matters: if grey pictures come from one source and that source favours a class, colour becomes the label.

    What to do: look whether they belong; augmentation that removes colour makes the difference harmless.

    Grey: the 99th percentile of max − min over the channels is at most `threshold`, in [0, 1]. Blank pictures are left
    to `low_information`. More than 5 % (and more than 20) are one finding: the dataset mixes both. Not
    applicable when more than half of the images are grey. CleanVision goes by the file's mode and misses grey pictures
    that are stored as RGB. Score: 1 − colour / (2 · threshold), so 1 for perfectly grey.
    """
    colourless = features["colour"] <= threshold
    grey = features[colourless & (features["contrast"] >= FLAT)]
    if colourless.sum() * 2 > len(features):
        raise NotApplicable(f"{colourless.sum():,} of {len(features):,} images are grey: it is a grey dataset")
    if is_property(len(grey), len(features)):
        return of_dataset(
            len(grey) / len(features),
            f"{len(grey):,} of {len(features):,} images are grey: the dataset mixes grey and coloured pictures.",
        )
    rest = f"{1 - colourless.mean():.0%} of the images are in colour" if len(grey) else ""
    return findings(
        image_id=grey["image_id"],
        score=[1 - float(v) / (2 * threshold) for v in grey["colour"]],
        suggested_action=["review"] * len(grey),
        evidence=[f"The channels differ by at most {v:.3f}; {rest}." for v in grey["colour"]],
    )
