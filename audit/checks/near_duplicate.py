"""Images that are altered copies of another."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.copies.pair_views import partners
from imageclinic.audit.issue_rows import findings

URGENCY = 50
ABOUT = ("copies",)


def find(neighbors: pd.DataFrame, clusters: pd.DataFrame) -> pd.DataFrame:
    """Images that are re-encoded, resized, brightened, slightly cropped, mirrored or turned copies of another.

    Why it matters: near copies leak between splits like exact ones, and weigh one example too much.

    What to do: keep one of each cluster, or keep them together in one split (the export does that in any case).

    Candidates lie within 12 of 64 bits of imagehash's phash in one of eight orientations; they are confirmed on
    their detail after alignment, with a threshold that the dataset's own look-alikes set (see
    `audit/copies/full_decode_match.py`), and by a 256-bit hash of the full decodes. Score: the correlation of the
    detail.
    """
    found = partners(neighbors, clusters, ("near",))
    return findings(
        image_id=found["image_id"],
        score=found["similarity"].clip(0, 1).astype("float64"),
        cluster=found["cluster"],
        suggested_action=["review"] * len(found),
        evidence=[
            f"Copy of {other}"
            + (f" ({transform.replace('_', ', ')})" if transform != "identity" else "")
            + f": {distance} of 64 hash bits differ, detail correlates {similarity:.2f}"
            + (f"; and of {n - 1} more." if n > 1 else ".")
            for other, transform, distance, similarity, n in zip(
                found["other_id"],
                found["transform"],
                found["distance"],
                found["similarity"],
                found["n"],
                strict=True,
            )
        ],
    )
