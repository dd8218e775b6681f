"""Images unlike all others."""

from __future__ import annotations

import numpy as np
import pandas as pd

from audit.findings import findings, none, robust_z
from audit.tables import Embeddings


def find(embeddings: Embeddings, *, neighbours: int = 10, deviations: float = 5.0) -> pd.DataFrame:
    """Images that lie far from their nearest neighbours in the embedding: they may belong to no class.

    Why it matters: pictures that slipped in by accident (icons, screenshots, another subject) are learnt as
    members of a class.

    What to do: look; drop what belongs to no class. Rare but right examples are outliers too: keep those.

    Mean cosine distance to the `neighbours` nearest images, by cleanlab's OutOfDistribution (Kuan & Mueller, 2022);
    flagged where its logarithm lies more than `deviations` robust standard deviations above the median.
    Score: 1 − cleanlab's score.
    """
    if len(embeddings.image_id) <= neighbours:
        return none()
    from cleanlab.outlier import OutOfDistribution  # slow to import

    # In a fixed order, so that ties between equal distances don't depend on the order of the rows.
    order = np.argsort(embeddings.image_id.to_numpy(), kind="stable")
    vectors = embeddings.vectors[order].astype(np.float64)
    scores = OutOfDistribution({"k": neighbours}).fit_score(features=vectors, verbose=False)
    # cleanlab's score is exp(−distance / scale), so its logarithm is the distance up to the scale.
    distance = -np.log(np.clip(scores, 1e-300, 1 - 1e-12))
    far = np.flatnonzero(robust_z(np.log(distance)) > deviations)
    times = distance[far] / np.median(distance)
    return findings(
        image_id=embeddings.image_id.to_numpy()[order][far],
        score=np.clip(1 - scores[far], 0, 1),
        suggested_action=["review"] * len(far),
        evidence=[f"{t:.1f} times as far from its {neighbours} nearest images as the median image." for t in times],
    )
