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

    Cosine distance to the `neighbours` nearest images (cleanlab's OutOfDistribution, Kuan & Mueller, 2022); flagged
    where its logarithm lies more than `deviations` robust standard deviations above the median. Score: 1 minus
    cleanlab's score.
    """
    if len(embeddings.image_id) <= neighbours:
        return none()
    from cleanlab.outlier import OutOfDistribution  # slow to import
    from sklearn.neighbors import NearestNeighbors

    vectors = embeddings.vectors.astype(np.float64)
    # Fixed order, so that ties between equal distances don't depend on the order of the rows.
    order = np.argsort(embeddings.image_id.to_numpy(), kind="stable")
    search = NearestNeighbors(n_neighbors=neighbours, metric="cosine").fit(vectors[order])
    distance, _ = search.kneighbors()
    mean = np.maximum(distance.mean(axis=1), 1e-9)
    far = np.flatnonzero(robust_z(np.log(mean)) > deviations)
    scores = OutOfDistribution({"knn": search, "k": neighbours}).fit_score(features=vectors[order], verbose=False)
    ids = embeddings.image_id.to_numpy()[order][far]
    median = float(np.median(mean))
    return findings(
        image_id=ids,
        score=np.clip(1 - scores[far], 0, 1),
        suggested_action=["review"] * len(far),
        evidence=[
            f"Mean distance {d:.3f} to its {neighbours} nearest images; the median is {median:.3f}." for d in mean[far]
        ],
    )
