"""Images that are dark all over."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.issue_rows import findings, to_keras
from imageclinic.core import pixels
from imageclinic.core.errors import NotApplicable
from imageclinic.core.option_fields import SHARE
from imageclinic.core.rows import lookup

URGENCY = 120
ABOUT = ("images",)


def find(dataset: pd.DataFrame, features: pd.DataFrame, *, threshold: Annotated[float, SHARE] = 0.32) -> pd.DataFrame:
    """Images of which even the brightest parts are dark: 99th percentile of brightness under `threshold`.

    Why it matters: underexposed pictures hold little signal, and a network may learn "dark" instead of the class.

    What to do: look; drop what a person can't recognise, or augment brightness so that darkness carries no label.

    Files of more than 8 bits don't say which value is white: their brightness is a share of what the brightest parts of
    the usual one of them have (the median). What a person sees is judged; where Keras's loaders see another picture,
    the evidence has both.

    Source: CleanVision's definition and threshold. Brightness is perceived brightness in [0, 1]. Not applicable when
    more than half of the images are dark: then it is how they look. Score: 1 − brightness / threshold.
    """
    brightness = _brightness(features, lookup.values(features["image_id"], dataset, "mode"))
    dark = features.assign(brightness=brightness)[brightness < threshold]
    if len(dark) * 2 > len(features):
        raise NotApplicable(f"{len(dark):,} of {len(features):,} images are dark: it is a dark dataset")
    return findings(
        image_id=dark["image_id"],
        score=[1 - float(v) / threshold for v in dark["brightness"]],
        suggested_action=["review"] * len(dark),
        evidence=[
            f"99 % of the pixels are darker than {v:.2f} (limit {threshold}).{also}"
            for v, also in zip(dark["brightness"], to_keras(dark, "luminance_p99"), strict=True)
        ],
    )


def _brightness(features: pd.DataFrame, mode: pd.Series) -> npt.NDArray[np.float64]:
    """99th percentile of brightness, in [0, 1]; of deep pictures over that of the usual one."""
    found = features["luminance_p99"].to_numpy(np.float64, copy=True)
    deep = (features["value_high"].notna() & mode.notna()).to_numpy()
    for real in (False, True):
        at = np.flatnonzero(deep & (mode.eq("F") == real).to_numpy())
        if not len(at):
            continue
        low, high = (features[f"value_{name}"].to_numpy(np.float64)[at] for name in ("low", "high"))
        spans = np.array([pixels.rule_range(*ends, real=real) for ends in zip(low, high, strict=True)])
        values = spans[:, 0] + found[at] * (spans[:, 1] - spans[:, 0]) - np.median(low)
        usual = float(np.median(values))
        found[at] = np.clip(values / usual, 0, 1) if usual > 0 else 0.0
    return found
