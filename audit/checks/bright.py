"""Images that are bright all over."""

from __future__ import annotations

from typing import Annotated

import pandas as pd

from imageclinic.audit.issue_rows import findings, to_keras
from imageclinic.core.errors import NotApplicable
from imageclinic.core.option_fields import SHARE

URGENCY = 130
ABOUT = ("images",)


def find(features: pd.DataFrame, *, threshold: Annotated[float, SHARE] = 0.95) -> pd.DataFrame:
    """Images of which even the darkest parts are bright: 5th percentile of brightness over `threshold`.

    Why it matters: overexposed pictures have lost what they showed.

    What to do: look; drop what a person can't recognise.

    Source: CleanVision's definition and threshold. Brightness is perceived brightness in [0, 1]. Not applicable when
    more than half of the images are bright, as line drawings and scanned pages are. Score: how far above the
    threshold, as a share of what is left to 1. What a person sees is judged; where Keras's loaders see another picture,
    the evidence has both means.
    """
    bright = features[features["luminance_p05"] > threshold]
    if len(bright) * 2 > len(features):
        raise NotApplicable(f"{len(bright):,} of {len(features):,} images are bright: it is a bright dataset")
    return findings(
        image_id=bright["image_id"],
        score=[(float(v) - threshold) / (1 - threshold) for v in bright["luminance_p05"]],
        suggested_action=["review"] * len(bright),
        evidence=[
            f"95 % of the pixels are brighter than {v:.2f} (limit {threshold}), mean {mean:.2f}.{also}"
            for v, mean, also in zip(
                bright["luminance_p05"], bright["luminance_mean"], to_keras(bright, "luminance_mean"), strict=True
            )
        ],
    )
