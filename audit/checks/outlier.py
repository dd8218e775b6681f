"""Images unlike all others."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit import listed_neighbours
from imageclinic.audit.issue_rows import findings, none
from imageclinic.core.errors import NotApplicable
from imageclinic.core.option_fields import Range, whole
from imageclinic.core.tables import Embeddings

URGENCY = 60
ABOUT = ("images",)


#: Images of which each is compared with all, at most, and components that distances are measured in.
_COMPARED, _COMPONENTS = 50_000, 256
#: Images that are measured together.
_PIECE = 1 << 14


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

    Mean cosine distance to the `neighbours` nearest images, by cleanlab's OutOfDistribution (Kuan & Mueller, 2022), in
    the embeddings' principal components, whose spreads are drawn together (the square root of each), so that a few
    strong ones such as light and framing don't hide the others; flagged where its logarithm lies more than
    `deviations` robust standard deviations above the median. The deviation is that of the upper half, because copies
    and crowded classes stretch the lower one. Score: 1 − cleanlab's score, which is exp(−distance / median distance).

    On photographs of pets with 2 % of other things 15 of 18 flags were right, on hands with 2 % pets or other things 78
    of 80; without any, 3 of 1,100, 0 of 2,550 and 1 of 2,062 images were flagged (EfficientNet-Lite0's features, on the
    sets that the method was chosen on). More than `neighbours` pictures of
    one other kind are each other's neighbours, and are not found. Above 50,000 images only the tenth that seems
    farthest, and at most 50,000, is compared with all, the others with those of their surroundings: outliers among more
    than half a million may be missed.
    """
    n = len(embeddings.image_id)
    if n <= neighbours:
        raise NotApplicable(f"{n} images are too few to look at {neighbours} nearest neighbours of each")
    from cleanlab.outlier import OutOfDistribution  # slow to import

    # In a fixed order, so that rounding and ties don't depend on the order of the rows.
    order = np.argsort(embeddings.image_id.to_numpy(), kind="stable")
    images = embeddings.alike
    mean, turn = evened_axes(images, order)
    if not turn.shape[1]:
        return none()  # all are alike

    def vectors(rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        return np.asarray((images[order[rows]] - mean) @ turn)

    if n <= _COMPARED:
        scores = OutOfDistribution({"k": neighbours}).fit_score(features=vectors(np.arange(n)), verbose=False)
        exact = drawn = np.arange(n)
    else:  # the same score
        apart, exact, drawn = listed_neighbours.mean_distances(vectors, n, neighbours)
        scores = np.exp(-apart / max(float(np.median(apart[drawn])), 1e-12))
    scores = np.clip(scores, 0, 1)
    distance = -np.log(np.clip(scores, 1e-300, 1 - 1e-12))  # in units of the median
    height = np.log(distance)
    centre = np.median(height[drawn])
    above = height[drawn][height[drawn] > centre] - centre
    if not len(above):
        return none()
    far = exact[height[exact] - centre > deviations * 1.4826 * np.median(above)]
    return findings(
        image_id=embeddings.image_id.to_numpy()[order][far],
        score=1 - scores[far],
        suggested_action=["review"] * len(far),
        evidence=[
            f"{d:.1f} times as far from its {neighbours} nearest images as the median image." for d in distance[far]
        ],
    )


def evened_axes(
    vectors: npt.NDArray[np.float32], order: npt.NDArray[np.intp] | None = None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The mean of vectors (n, d), taken in an order of their rows, and what turns centred ones to principal components,
    each divided by the square root of its spread; at most a fifth as many as images, because what is left is noise."""
    n, width = vectors.shape
    rows = np.arange(n) if order is None else order
    pieces = [rows[at : at + _PIECE] for at in range(0, n, _PIECE)]
    mean = np.sum([vectors[piece].sum(0, dtype=np.float64) for piece in pieces], axis=0) / n
    if n < width:  # the same axes, from what the few images span
        _, size, axes = np.linalg.svd(vectors[rows] - mean, full_matrices=False)
        spread, turn = size**2 / n, axes.T
    else:
        moments = np.zeros((width, width))
        for piece in pieces:
            centred = vectors[piece] - mean
            moments += centred.T @ centred
        spread, turn = np.linalg.eigh(moments / n)
    kept = np.argsort(spread)[::-1][: min(_COMPONENTS, max(2, n // 5))]
    kept = kept[spread[kept] > spread.max() * 1e-9]
    return mean, turn[:, kept] / spread[kept] ** 0.25
