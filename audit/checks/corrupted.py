"""Files that no decoder can read whole."""

from __future__ import annotations

import pandas as pd

from audit.findings import findings


def find(dataset: pd.DataFrame) -> pd.DataFrame:
    """Images that can't be decoded: empty, not an image, truncated, damaged stream, too large, missing.

    Why it matters: one such file stops a training run in the middle of an epoch, or is filled up with grey and
    learnt. Most single changed bits decode without complaint: no decoder sees those, and neither does this check.

    What to do: fetch the file again from its source, or drop it. Unreadable images are never exported.

    Source: libjpeg-turbo in strict mode for JPEG, Pillow for the rest. Score: always 1.
    """
    bad = dataset[dataset["read_error"].notna()]
    return findings(
        image_id=bad["image_id"],
        score=[1.0] * len(bad),
        suggested_action=["drop"] * len(bad),
        evidence=[f"Can't be decoded: {e}." for e in bad["read_error"]],
    )
