"""Images unlike all others."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit import bulk_distances, listed_neighbours
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
#: Share of all images, and of its class, whose distance says how far an image lies from the bulk; classes of fewer
#: images have no bulk; and by how many deviations less than from all it must lie off its class.
_OF_ALL, _OF_CLASS, _LEAST, _LESS = 0.15, 0.5, 5, 1.5
#: By how much farther than the median image a crowd must lie from the bulk, too: where all images are alike, as X-rays
#: of one body part are, deviations of half a hundredth would make outliers of ordinary ones.
_FARTHER = 1.03

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


def find(
    dataset: pd.DataFrame,
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

    Many pictures of one other kind are each other's neighbours. So an image is flagged, too, where the distance within
    which 15 % of all images lie is as many deviations above the median, unless it is like its class: the distance
    within which half of its class lies must be above the median by 1.5 deviations less. That distance must be 3 % above
    the median, too: where all images are alike, such as X-rays of chests, many deviations are next to nothing. Its
    score is that of an image that lies as many deviations from its neighbours. Images without a label, and classes of
    fewer than 5, are not judged by this: without classes nothing tells such a crowd from a class.

    On photographs of pets with 2 % of other things 15 of 18 flags were right, on hands with 2 % pets or other things 78
    of 80 (EfficientNet-Lite0's features). Of 30 to 60 alike digits, charts, screenshots, logos or hands among 1,100
    pets 91 % were found, of pets, digits, screenshots, logos or trucks among 1,000 hands 96 %; before the bulk was
    asked none. Of trucks, faces, motorbikes and aeroplanes among pets, which are nearer, 36 %; among Caltech-101's 102
    classes, where 25 alike ones are a class, 37 % of the first five. Flags without any: 3 of 1,100 pets, none of
    Caltech-101's 2,550, 4 of 1,000 hands, 6 of 2,400 of CIFAR-10 (Lite2's features). Where the images themselves are of
    many kinds, strange photographs are not far enough: of 50 of rubbish among 2,500 of faces it flags none, and of 51
    faces among 2,527 of rubbish none.

    Above 50,000 images only the tenth that seems
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

    def vectors(rows: Ints) -> Floats:
        return np.asarray((images[order[rows]] - mean) @ turn)

    if n <= _COMPARED:
        scores = OutOfDistribution({"k": neighbours}).fit_score(features=vectors(np.arange(n)), verbose=False)
        exact = drawn = np.arange(n)
    else:  # the same score
        apart, exact, drawn = listed_neighbours.mean_distances(vectors, n, neighbours)
        scores = np.exp(-apart / max(float(np.median(apart[drawn])), 1e-12))
    scores = np.clip(scores, 0, 1)
    distance = -np.log(np.clip(scores, 1e-300, 1 - 1e-12))  # in units of the median
    height, spread = _deviations(np.log(distance), drawn)
    if not spread:
        return none()
    far = np.zeros(n, bool)
    far[exact] = height[exact] > deviations
    crowd = np.full(n, -np.inf)
    if n * _OF_ALL > neighbours:
        labels = dataset.set_index("image_id")["label"].reindex(embeddings.image_id).iloc[order]
        crowd = _in_a_crowd(vectors, pd.factorize(labels)[0])
    strange = np.flatnonzero(far | (crowd > deviations))
    beside = (crowd > height) | ~far  # what says so is the crowd, not the image's own place
    score = np.where(beside, 1 - np.exp(-np.exp(np.minimum(crowd * spread, 50))), 1 - scores)
    return findings(
        image_id=embeddings.image_id.to_numpy()[order][strange],
        score=score[strange],
        suggested_action=["review"] * len(strange),
        evidence=[
            f"It is of another kind than {1 - _OF_ALL:.0%} of the images and than its class, as those like it may be "
            f"({crowd[i]:.1f} deviations from the bulk)."
            if beside[i]
            else f"{distance[i]:.1f} times as far from its {neighbours} nearest images as the median image."
            for i in strange
        ],
    )


def _in_a_crowd(vectors: bulk_distances.Vectors, codes: Ints) -> Floats:
    """By how many deviations images lie off the bulk of all and, within `_LESS`, off that of their class; −inf where
    they have no class (code −1) or a small one."""
    off = np.log(np.maximum(bulk_distances.reach(vectors, np.arange(len(codes)), _OF_ALL), 1e-12))
    off_class = np.full(len(codes), np.nan)
    for code in range(codes.max(initial=-1) + 1):
        members = np.flatnonzero(codes == code)
        if len(members) >= _LEAST:
            off_class[members] = np.log(np.maximum(bulk_distances.reach(vectors, members, _OF_CLASS), 1e-12))
    judged = np.flatnonzero(~np.isnan(off_class))
    found = np.full(len(codes), -np.inf)
    if len(judged):
        from_all, spread = _deviations(off, np.arange(len(codes)))
        from_all[from_all * spread < np.log(_FARTHER)] = -np.inf
        from_class, _ = _deviations(off_class, judged)
        found[judged] = np.minimum(from_all, from_class + _LESS)[judged]
    return found


def _deviations(heights: Floats, drawn: Ints) -> tuple[Floats, float]:
    """By how many robust standard deviations heights lie above their median, and that deviation, of the upper half of
    those that were drawn; zeros where there is none."""
    centre = np.median(heights[drawn])
    above = heights[drawn][heights[drawn] > centre] - centre
    spread = 1.4826 * float(np.median(above)) if len(above) else 0.0
    return np.asarray((heights - centre) / spread if spread else np.zeros_like(heights)), spread


def evened_axes(vectors: npt.NDArray[np.float32], order: Ints | None = None) -> tuple[Floats, Floats]:
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
