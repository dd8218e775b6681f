"""Images that are blurred, compared with the rest of the dataset."""

from __future__ import annotations

import numpy as np
import pandas as pd

from audit.copies import FLAT
from audit.findings import findings, robust_z


def find(features: pd.DataFrame, *, deviations: float = 3.5, share: float = 0.4) -> pd.DataFrame:
    """Images far less sharp than the dataset's median: by `deviations` robust standard deviations of the logarithm
    of sharpness, and below `share` of the median.

    Why it matters: motion and focus blur remove what tells classes apart; if one class was photographed worse, blur
    itself becomes the label.

    What to do: look; drop what a person can't recognise.

    How sharp a picture is depends on what is shown, so the threshold adapts to the dataset. Sharpness is the
    variance of the Laplacian over the variance of the picture, at 64 pixels (Pech-Pacheco et al., 2000). Blank
    pictures are left to `low_information`. Score: 1 − sharpness / median.
    """
    judged = features[(features["contrast"] >= FLAT) & (features["sharpness"] > 0)]
    if judged.empty:
        return findings()
    sharp = judged["sharpness"].to_numpy(dtype=np.float64)
    median = float(np.median(sharp))
    blurred = judged[(robust_z(np.log(sharp)) < -deviations) & (sharp < share * median)]
    return findings(
        image_id=blurred["image_id"],
        score=[1 - float(v) / median for v in blurred["sharpness"]],
        suggested_action=["review"] * len(blurred),
        evidence=[f"Sharpness {v:.4f}; the dataset's median is {median:.4f}." for v in blurred["sharpness"]],
    )
