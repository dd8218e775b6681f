"""Images of unusual shape."""

from __future__ import annotations

import numpy as np
import pandas as pd

from audit.findings import fences, findings


def find(dataset: pd.DataFrame, *, factor: float = 1.8, iqr: float = 3.0) -> pd.DataFrame:
    """Images whose width / height lies `factor` times away from the median, and beyond Tukey's fences (`iqr`).

    Why it matters: resizing to a square squeezes them, cropping cuts the object off; banners and screenshots are
    often no examples of the class at all.

    What to do: look; crop or drop.

    Score: 1 − median / ratio (or ratio / median).
    """
    sized = dataset[dataset["read_error"].isna() & dataset["width"].notna() & dataset["height"].notna()]
    ratio = np.log(sized["width"].to_numpy(dtype=np.float64) / sized["height"].to_numpy(dtype=np.float64))
    if not len(ratio):
        return findings()
    low, high = fences(ratio, iqr)
    away = np.abs(ratio - np.median(ratio))
    odd = (away > np.log(factor)) & ((ratio < low) | (ratio > high))
    median = float(np.exp(np.median(ratio)))
    return findings(
        image_id=sized["image_id"][odd],
        score=1 - np.exp(-away[odd]),
        suggested_action=["review"] * int(odd.sum()),
        evidence=[
            f"{w}×{h} pixels: width / height {w / h:.2f}; the dataset's median is {median:.2f}."
            for w, h in zip(sized["width"][odd], sized["height"][odd], strict=True)
        ],
    )
