"""Images that show next to nothing."""

from __future__ import annotations

from typing import Annotated

import pandas as pd

from imageclinic.audit.issue_rows import findings, to_keras
from imageclinic.core.option_fields import SHARE, Range

URGENCY = 100
ABOUT = ("images",)

#: Bits under which one tone fills the picture but for a speck of another.
_ONE_TONE = 0.3


def find(
    features: pd.DataFrame,
    *,
    threshold: Annotated[float, Range(0, 8)] = 3.0,
    share: Annotated[float, SHARE] = 0.5,
    contrast: Annotated[float, SHARE] = 0.05,
) -> pd.DataFrame:
    """Images with little information: entropy of the grey values under `threshold` bits (of 8) and under `share` of
    the dataset's median, and a standard deviation under `contrast` (of 1).

    Why it matters: blank frames, lens caps and placeholders teach nothing but the label that they happen to carry.

    What to do: drop them.

    Drawings and objects cut out before an even background hold few grey values, too, but dark lines on white vary: of
    142 pictures of Caltech-101 under 3 bits none was blank, and 1 varied by less than 0.05. Under 0.3 bits a picture is
    one tone but for a speck, and is flagged however it varies.

    The median matters where pictures are plain, as line drawings and digits are: there only those count that are
    plainer still. What a person sees is judged; where Keras's loaders see another picture, the evidence has both.
    CleanVision takes 3 bits too, of all three channels' values in one histogram; coloured pictures have
    up to log₂ 3 = 1.6 bits more that way, so it flags fewer of these. Score: 1 − entropy / limit.
    """
    limit = min(threshold, share * float(features["entropy"].median())) if len(features) else threshold
    low = features[features["entropy"] < limit]
    low = low[(low["contrast"] < contrast) | (low["entropy"] < _ONE_TONE)]
    return findings(
        image_id=low["image_id"],
        score=[1 - float(v) / limit for v in low["entropy"]],
        suggested_action=["review"] * len(low),
        evidence=[
            f"The grey values hold {v:.2f} bits (limit {limit:.2g}) and vary by {c:.3f} (limit {contrast}).{also}"
            for v, c, also in zip(low["entropy"], low["contrast"], to_keras(low, "entropy"), strict=True)
        ],
    )
