"""Images that show next to nothing."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.issue_rows import findings, to_keras

URGENCY = 100
ABOUT = ("images",)


def find(features: pd.DataFrame, *, threshold: float = 3.0, share: float = 0.5) -> pd.DataFrame:
    """Images with little information: entropy of the grey values under `threshold` bits (of 8), and under `share` of
    the dataset's median.

    Why it matters: blank frames, lens caps and placeholders teach nothing but the label that they happen to carry.

    What to do: drop them.

    The median matters where pictures are plain, as line drawings and digits are: there only those count that are
    plainer still. What a person sees is judged; where Keras's loaders see another picture, the evidence has both.
    CleanVision takes 3 bits too, of all three channels' values in one histogram; coloured pictures have
    up to log₂ 3 = 1.6 bits more that way, so it flags fewer of these. Score: 1 − entropy / limit.
    """
    limit = min(threshold, share * float(features["entropy"].median())) if len(features) else threshold
    low = features[features["entropy"] < limit]
    return findings(
        image_id=low["image_id"],
        score=[1 - float(v) / limit for v in low["entropy"]],
        suggested_action=["review"] * len(low),
        evidence=[
            f"The grey values hold {v:.2f} bits (limit {limit:.2g}).{also}"
            for v, also in zip(low["entropy"], to_keras(low, "entropy"), strict=True)
        ],
    )
