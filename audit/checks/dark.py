"""Images that are dark all over."""

from __future__ import annotations

from typing import Annotated

import pandas as pd

from imageclinic.audit.issue_rows import findings
from imageclinic.core.errors import NotApplicable
from imageclinic.core.option_fields import SHARE

URGENCY = 120
ABOUT = ("images",)


def find(features: pd.DataFrame, *, threshold: Annotated[float, SHARE] = 0.32) -> pd.DataFrame:
    """Images of which even the brightest parts are dark: 99th percentile of brightness under `threshold`.

    Why it matters: underexposed pictures hold little signal, and a network may learn "dark" instead of the class.

    What to do: look; drop what a person can't recognise, or augment brightness so that darkness carries no label.

    Source: CleanVision's definition and threshold. Brightness is perceived brightness in [0, 1]. Not applicable when
    more than half of the images are dark: then it is how they look. Score: 1 − brightness / threshold.
    """
    dark = features[features["luminance_p99"] < threshold]
    if len(dark) * 2 > len(features):
        raise NotApplicable(f"{len(dark):,} of {len(features):,} images are dark: it is a dark dataset")
    return findings(
        image_id=dark["image_id"],
        score=[1 - float(v) / threshold for v in dark["luminance_p99"]],
        suggested_action=["review"] * len(dark),
        evidence=[f"99 % of the pixels are darker than {v:.2f} (limit {threshold})." for v in dark["luminance_p99"]],
    )
