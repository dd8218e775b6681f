"""Files with the same bytes, or the same pixels under other bytes."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.copies.pair_views import partners
from imageclinic.audit.issue_rows import findings

URGENCY = 40
ABOUT = ("copies",)
COPIES = "equal"


def find(neighbors: pd.DataFrame, clusters: pd.DataFrame) -> pd.DataFrame:
    """Images that are byte-identical to another, or decode to identical pixels under other bytes.

    Why it matters: copies count one example several times, and the copies of a wrong label vouch for each other.

    What to do: keep one of each cluster. Which one is proposed when you clean: the copy with the label most agreed
    on, the best resolution and the sharpest picture.

    Equal pixels are proven on full decodes. Score: 1 for equal bytes, 0.99 for equal pixels.
    """
    found = partners(neighbors, clusters, ("bytes", "pixels"))
    same = found["kind"] == "bytes"
    return findings(
        image_id=found["image_id"],
        score=same.map({True: 1.0, False: 0.99}),
        cluster=found["cluster"],
        suggested_action=["review"] * len(found),
        evidence=[
            f"Same {'bytes' if s else 'pixels'} as {other}" + (f" and {n - 1} more." if n > 1 else ".")
            for s, other, n in zip(same, found["other_id"], found["n"], strict=True)
        ],
    )
