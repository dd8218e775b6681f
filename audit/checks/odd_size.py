"""Images of unusual resolution."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd

from imageclinic.audit.issue_rows import fences, findings, is_property, of_dataset
from imageclinic.core.option_fields import Range

URGENCY = 150
ABOUT = ("images",)


def find(
    dataset: pd.DataFrame,
    *,
    factor: Annotated[float, Range(1, 1000)] = 4.0,
    iqr: Annotated[float, Range(0, 1000)] = 3.0,
) -> pd.DataFrame:
    """Images whose area lies `factor` times away from the median, and beyond Tukey's fences (`iqr`).

    Why it matters: thumbnails have lost detail that the others have; forgotten originals come from another step of
    the preparation. If size differs by class, a network sees it after resizing (blur, sharpness).

    What to do: look where they come from; replace or drop.

    Areas are compared by their logarithm. CleanVision's fences are on the square root of the area and without a
    factor: where most images have one size, it flags every other. Where more than 5 % of the images (and more than
    20) are odd, the dataset mixes sizes, and that is one finding. Score: 1 − median / area (or area / median).
    """
    known = dataset["read_error"].isna() & dataset["width"].notna() & dataset["height"].notna()
    sized = dataset.loc[known, ["image_id", "width", "height"]]
    area = np.log(sized["width"].to_numpy(dtype=np.float64) * sized["height"].to_numpy(dtype=np.float64))
    if not len(area):
        return findings()
    low, high = fences(area, iqr)
    away = np.abs(area - np.median(area))
    odd = (away > np.log(factor)) & ((area < low) | (area > high))
    side = float(np.exp(np.median(area) / 2))
    if is_property(int(odd.sum()), len(sized)):
        small, large = (float(np.exp(v / 2)) for v in np.percentile(area, [1, 99]))
        return of_dataset(
            float(odd.mean()),
            f"{odd.sum():,} of {len(sized):,} images are far from the median of {side:.0f}×{side:.0f} pixels: the "
            f"dataset mixes sizes, from about {small:.0f}×{small:.0f} to {large:.0f}×{large:.0f}.",
        )
    return findings(
        image_id=sized["image_id"][odd],
        score=1 - np.exp(-away[odd]),
        suggested_action=["review"] * int(odd.sum()),
        evidence=[
            f"{w}×{h} pixels; the median image has {side:.0f}×{side:.0f}."
            for w, h in zip(sized["width"][odd], sized["height"][odd], strict=True)
        ],
    )
