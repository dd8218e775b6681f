"""Images that show next to nothing."""

from __future__ import annotations

import pandas as pd

from audit.findings import findings


def find(features: pd.DataFrame, *, threshold: float = 3.0) -> pd.DataFrame:
    """Images with little information: entropy of the grey values under `threshold` bits (of 8).

    Why it matters: blank frames, lens caps and placeholders teach nothing but the label that they happen to carry.

    What to do: drop them.

    Source: CleanVision's definition; its threshold of 0.3 on entropy / 10 is 3 bits. Score: 1 − entropy / threshold.
    """
    low = features[features["entropy"] < threshold]
    return findings(
        image_id=low["image_id"],
        score=[1 - float(v) / threshold for v in low["entropy"]],
        suggested_action=["review"] * len(low),
        evidence=[f"The grey values hold {v:.2f} bits (limit {threshold:g})." for v in low["entropy"]],
    )
