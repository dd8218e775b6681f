"""Images unlike all others."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd

from imageclinic.audit.issue_rows import findings, none
from imageclinic.core.errors import NotApplicable
from imageclinic.core.option_fields import Range, whole
from imageclinic.core.tables import Embeddings

URGENCY = 60
ABOUT = ("images",)


def find(
    embeddings: Embeddings,
    *,
    neighbours: Annotated[int, whole(1, 1000)] = 20,
    deviations: Annotated[float, Range(0, 100)] = 2.5,
) -> pd.DataFrame:
    """Images that lie far from their nearest neighbours in the embedding: they may belong to no class.

    Why it matters: pictures that slipped in by accident (icons, screenshots, another subject) are learnt as
    members of a class.

    What to do: look; drop what belongs to no class. Rare but right examples are outliers too: keep those.

    Mean cosine distance to the `neighbours` nearest images, by cleanlab's OutOfDistribution (Kuan & Mueller, 2022);
    flagged where its logarithm lies more than `deviations` robust standard deviations above the median. The
    deviation is that of the upper half, because copies and crowded classes stretch the lower one. Ordinary images
    reach 2.3 to 2.5. Score: 1 − cleanlab's score, which is exp(−distance / median distance).
    """
    n = len(embeddings.image_id)
    if n <= neighbours:
        raise NotApplicable(f"{n} images are too few to look at {neighbours} nearest neighbours of each")
    from cleanlab.outlier import OutOfDistribution  # slow to import

    # In a fixed order, so that rounding and ties don't depend on the order of the rows.
    order = np.argsort(embeddings.image_id.to_numpy(), kind="stable")
    vectors = embeddings.vectors[order].astype(np.float64)
    scores = np.clip(OutOfDistribution({"k": neighbours}).fit_score(features=vectors, verbose=False), 0, 1)
    distance = -np.log(np.clip(scores, 1e-300, 1 - 1e-12))  # in units of the median
    height = np.log(distance)
    centre = np.median(height)
    above = height[height > centre] - centre
    if not len(above):
        return none()
    far = np.flatnonzero(height - centre > deviations * 1.4826 * np.median(above))
    return findings(
        image_id=embeddings.image_id.to_numpy()[order][far],
        score=1 - scores[far],
        suggested_action=["review"] * len(far),
        evidence=[
            f"{d:.1f} times as far from its {neighbours} nearest images as the median image." for d in distance[far]
        ],
    )
