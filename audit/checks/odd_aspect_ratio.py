"""Images of unusual shape."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd

from imageclinic.audit.issue_rows import fences, findings, is_property, of_dataset
from imageclinic.core.option_fields import Range

URGENCY = 140
ABOUT = ("images",)


def find(
    dataset: pd.DataFrame,
    *,
    factor: Annotated[float, Range(1, 1000)] = 2.0,
    iqr: Annotated[float, Range(0, 1000)] = 1.5,
) -> pd.DataFrame:
    """Images whose long side / short side lies `factor` times away from the median, and beyond Tukey's fences (`iqr`).

    Why it matters: resizing to a square squeezes them, cropping cuts the object off; banners and screenshots are
    often no examples of the class at all.

    What to do: look; crop or drop.

    Portrait and landscape of one shape are alike, so that a mixture of both does not hide the odd ones. CleanVision
    flags whatever is longer than 2.9 : 1; here lines of text are no fault in a dataset of lines of text.
    Where more than 5 % of the images (and more than 20) are odd, the dataset mixes shapes, and that is one finding.
    Score: 1 − median / ratio (or ratio / median).
    """
    known = dataset["read_error"].isna() & dataset["width"].notna() & dataset["height"].notna()
    sized = dataset.loc[known, ["image_id", "width", "height"]]
    width, height = (sized[side].to_numpy(dtype=np.float64) for side in ("width", "height"))
    ratio = np.abs(np.log(width / height))
    if not len(ratio):
        return findings()
    low, high = fences(ratio, iqr)
    away = np.abs(ratio - np.median(ratio))
    odd = (away > np.log(factor)) & ((ratio < low) | (ratio > high))
    median = float(np.exp(np.median(ratio)))
    if is_property(int(odd.sum()), len(sized)):
        return of_dataset(
            float(odd.mean()),
            f"{odd.sum():,} of {len(sized):,} images are far from the median shape of {median:.2f} : 1: the dataset "
            "mixes shapes.",
        )
    return findings(
        image_id=sized["image_id"][odd],
        score=1 - np.exp(-away[odd]),
        suggested_action=["review"] * int(odd.sum()),
        evidence=[
            f"{w}×{h} pixels: {r:.2f} times as long as it is short; the dataset's median is {median:.2f}."
            for w, h, r in zip(sized["width"][odd], sized["height"][odd], np.exp(ratio[odd]), strict=True)
        ],
    )
