"""Images unlike all others."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit import class_distance, class_strangeness, listed_neighbours, tail_chances
from imageclinic.audit.bulk_distances import Group, reaches
from imageclinic.audit.issue_rows import findings, none
from imageclinic.audit.principal_axes import evened_axes, unit_vectors
from imageclinic.core.engines.piece_map import PieceMap, here
from imageclinic.core.errors import NotApplicable
from imageclinic.core.option_fields import Range, whole
from imageclinic.core.rows import lookup, ordering
from imageclinic.core.tables import Embeddings

URGENCY = 60
ABOUT = ("images",)


#: Images of which each is compared with all, at most.
_COMPARED = 50_000
#: Images in classes, at least, for the distance to the own class to be what counts; with fewer it sees less than the
#: neighbours do.
ENOUGH = 300
#: Where fewer images lie nearer to their own class than to another, drawn at random, the features tell too little.
#: Half do by chance.
TOLD_APART = 0.65
#: Share of all images, and of its class, whose distance says how far an image lies from the bulk; classes of fewer
#: images have no bulk; and by how many deviations less than from all it must lie off its class.
_OF_ALL, _OF_CLASS, _LEAST, _LESS = 0.15, 0.5, 5, 1.5
#: By how much farther than the median image a crowd must lie from the bulk, too: where all images are alike, as X-rays
#: of one body part are, deviations of half a hundredth would make outliers of ordinary ones.
_FARTHER = 1.03

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
#: Rows, their scores and the evidence.
Found = tuple[Ints, Floats, npt.NDArray[np.object_]]


def find(
    dataset: pd.DataFrame,
    embeddings: Embeddings,
    piece_map: PieceMap = here,
    *,
    neighbours: Annotated[int, whole(1, 1000)] = 20,
    deviations: Annotated[float, Range(0, 100)] = 2.5,
    false_share: Annotated[float, Range(0, 1)] = 0.15,
) -> pd.DataFrame:
    """Images of another kind than those of their class: they may belong to no class.

    Why it matters: pictures that slipped in by accident (icons, screenshots, another subject) are learnt as
    members of a class.

    What to do: look; drop what belongs to no class. Rare but right examples are outliers too: keep those.

    Where at least 300 images are in classes of 5 or more, what counts is the Mahalanobis distance to the mean of the
    image's class (Lee et al., 2018), in up to 256 principal components and what lies outside of them. One covariance
    serves all classes. It is learnt from other images than those that it measures (five folds), and, twice over,
    without the 15 % of each class that seem strangest and without the crowds below, so that strangers that are alike
    don't become usual. Beside it counts how far the members most like the image are: the cosine distance within which
    a twentieth of its class lies (of a thousand members at most, drawn at random), in the embeddings as they are. For a
    class may be so wide that strangers lie in its midst, unlike every member. The logarithm of each is taken in
    deviations from its median, and the fourth root of the sum of their fourth powers counts: the higher one, and both
    a little more. How likely a usual image is to be so strange follows from the set's own tail: a generalised normal
    distribution is fitted to the upper half, without the farthest. Of the least likely as many are flagged as keep the
    share of usual images among the flags, as expected by that, at `false_share` (Benjamini & Hochberg, 1995); of one or
    two flags as many may be wrong as of three. So a set with many odd images of its own has a higher limit, and one
    with many strangers a lower. Score: 1 − exp(−d), where the logarithm of d is that height above the median, in units
    of the first logarithm. Where patches are beside an EfficientNet-Lite, its last layer alone counts: patches see
    first of all light, sharpness and colours, which other checks report (of the demo's digits 57 are flagged: all 15
    that were planted, 39 that have other faults and 3 that have none; by the distance to the mean alone 37, none of
    them without a fault).

    With 2 % of other pictures planted (EfficientNet-Lite2's features), on 44 pairs of datasets that the second distance
    was not tuned on, two draws each, 2,518 of 2,991 flags are right, for 3,244 planted (by the distance to the mean
    alone 2,205 of 2,576), and the average precision is .86 on average (.73). Some strangers are still too near: of
    brain MRI, X-rays or hands among household rubbish next to none is flagged, nor hands among Caltech-101 or CIFAR-10,
    and the check says "clean". Datasets as they are: 0 to 3 flags of 1,100 to 2,600. Few strangers are harder to be
    sure of than many. Many that are alike hide each other: of 5 % digits among pets all are found, of 10 % half, as a
    crowd. See [examples](examples.md#strangers-planted-among-photographs).

    Where nothing is flagged and fewer than 65 % of the images lie nearer to their own class than to another, drawn at
    random, the check is not applicable: features that don't tell the set's own classes apart need not show strangers.
    Of thumbnails' colours as features that is 57 % among cats and dogs, where they rank no stranger; of
    EfficientNet-Lite2's 88 to 100 % in ten datasets. It is no proof: colours told masks from none, and didn't see
    rubbish among faces. Without labels, or with one class, this can't be asked, and "clean" means only that nothing
    stands out.

    Other images (no label, a class of fewer than 5, fewer than 300 in all) are judged by their neighbours: mean
    cosine distance to the `neighbours` nearest images, by cleanlab's OutOfDistribution (Kuan & Mueller, 2022), in the
    embeddings' principal components, whose spreads are drawn together (the square root of each), so that a few strong
    ones such as light and framing don't hide the others; flagged where its logarithm lies more than `deviations`
    robust standard deviations above the median. The deviation is that of the upper half, because copies and crowded
    classes stretch the lower one. Score: 1 − cleanlab's score, which is exp(−distance / median distance).

    Many pictures of one other kind are each other's neighbours. So an image is flagged, too, where the distance
    within which 15 % of all images lie is `deviations` above the median, unless it is like its class: the distance
    within which half of its class lies must be above the median by 1.5 deviations less. That distance must be 3 %
    above the median, too: where all images are alike, such as X-rays of chests, many deviations are next to nothing.
    Its score is that of an image that lies as many deviations from its neighbours. Images without a label, and
    classes of fewer than 5, are not judged by this: without classes nothing tells such a crowd from a class.

    By classes, time grows with the number of images. By neighbours, above 50,000 images only the tenth that seems
    farthest, and at most 50,000, is compared with all, the others with those of their surroundings: outliers among
    more than half a million may be missed.
    """
    n = len(embeddings.image_id)
    if n <= neighbours:
        raise NotApplicable(f"{n} images are too few to look at {neighbours} nearest neighbours of each")
    # In a fixed order, so that rounding and ties don't depend on the order of the rows.
    ids = embeddings.image_id
    order = ordering.places_in_order(ids.to_frame("image_id"), {"image_id": "ascending"})
    seen = embeddings.last_layer
    mean, turn = evened_axes(seen, order)
    if not turn.shape[1]:
        return none()  # all are alike

    def vectors(rows: Ints) -> Floats:
        return np.asarray((seen[order[rows]] - mean) @ turn)

    crowd = np.full(n, -np.inf)
    judged = np.zeros(n, bool)  # by the distance to their class
    if n * _OF_ALL > neighbours:
        codes = pd.factorize(lookup.values(ids, dataset, "label").iloc[order])[0]
        crowd = in_a_crowd(vectors, codes, piece_map)
        judged = in_a_class(codes)
    found = []
    told_apart = 1.0
    if judged.any():
        rows = np.flatnonzero(judged)
        own = np.unique(codes[rows], return_inverse=True)[1]
        in_crowd = crowd[rows] > deviations
        distance = class_distance.distances(seen, order[rows], own, crowd[rows], strange=in_crowd)
        unit = unit_vectors(lambda at: seen[at], order[rows], seen.shape[1])
        reach = class_strangeness.reach(unit, own, piece_map)
        found.append(_off_class(rows, distance.own, reach, crowd[rows], false_share, deviations))
        if own.max() > 0:
            told_apart = classes_told_apart(distance)
    if not judged.all():
        found.append(_off_neighbours(vectors, crowd, judged, neighbours, deviations, piece_map))
    rows, scores, evidence = (np.concatenate(part) for part in zip(*found, strict=True))
    if not len(rows):
        check_strong_enough(told_apart)
    at = np.argsort(rows)
    return findings(
        image_id=ids.iloc[order[rows[at]]].to_numpy(),
        score=scores[at],
        suggested_action=["review"] * len(at),
        evidence=evidence[at].tolist(),
    )


def in_a_class(codes: Ints) -> npt.NDArray[np.bool_]:
    """Which images are in classes of at least `_LEAST` (codes from 0); none where they are fewer than `ENOUGH`."""
    size = np.bincount(codes[codes >= 0], minlength=1)
    inside = (codes >= 0) & (size[codes] >= _LEAST)
    return inside if inside.sum() >= ENOUGH else np.zeros(len(codes), bool)


def classes_told_apart(distance: class_distance.Distances) -> float:
    """Share of the images that lie nearer to their own class than to another, of several."""
    return float((distance.own < distance.other).mean() + (distance.own == distance.other).mean() / 2)


def check_strong_enough(told_apart: float) -> None:
    """Raises NotApplicable where features tell a set's own classes too little apart to be sure to see strangers."""
    if told_apart < TOLD_APART:
        raise NotApplicable(
            f"the features are too weak to tell: only {told_apart:.0%} of the images lie nearer to their own class "
            "than to another (by chance 50%), so pictures of another kind might not stand out either; another embedder "
            "may see more (--model)"
        )


def _off_class(
    rows: Ints, distance: Floats, reach: Floats, crowd: Floats, false_share: float, deviations: float
) -> Found:
    """Those that are too strange to their class to be usual, or are in a crowd."""
    scale = class_strangeness.scale(distance, reach)
    heights = scale.heights(distance, reach)
    heights -= np.median(heights)
    chance = tail_chances.chances(heights)
    far = tail_chances.too_unlikely(chance, false_share)
    strange = np.flatnonzero(far | (crowd > deviations))
    times = np.exp(np.minimum(np.where(far, heights, crowd * tail_chances.deviation(heights)), 50))
    from_mean, from_members = scale.times(distance, reach)
    evidence = [
        f"{from_mean[i]:.1f} times as far from its class, and {from_members[i]:.1f} times from the members most like "
        f"it, as the median image from its own: as far as {one_in(chance[i])} usual images."
        if far[i]
        else _beside(crowd[i])
        for i in strange
    ]
    return rows[strange], 1 - np.exp(-times[strange]), np.array(evidence, object)


def one_in(chance: float) -> str:
    """A chance in words, with two digits, as "1 in 1,300"."""
    if chance < 1e-6:
        return "fewer than 1 in a million"
    return f"1 in {float(f'{1 / chance:.1e}'):,.0f}"


def _beside(crowd: float) -> str:
    return (
        f"It is of another kind than {1 - _OF_ALL:.0%} of the images and than its class, as those like it may be "
        f"({crowd:.1f} deviations from the bulk)."
    )


def _off_neighbours(
    vectors: listed_neighbours.Vectors,
    crowd: Floats,
    judged: npt.NDArray[np.bool_],
    neighbours: int,
    deviations: float,
    piece_map: PieceMap,
) -> Found:
    """Of images that are not judged by their class, those that lie far from their neighbours or are in a crowd."""
    from cleanlab.outlier import OutOfDistribution  # slow to import

    n = len(crowd)
    if n <= _COMPARED:
        scores = OutOfDistribution({"k": neighbours}).fit_score(features=vectors(np.arange(n)), verbose=False)
        exact = drawn = np.arange(n)
    else:  # the same score
        apart, exact, drawn = listed_neighbours.mean_distances(vectors, n, neighbours, piece_map=piece_map)
        scores = np.exp(-apart / max(float(np.median(apart[drawn])), 1e-12))
    scores = np.clip(scores, 0, 1)
    distance = -np.log(np.clip(scores, 1e-300, 1 - 1e-12))  # in units of the median
    height, spread = _deviations(np.log(distance), drawn)
    far = np.zeros(n, bool)
    far[exact] = height[exact] > deviations
    strange = np.flatnonzero((far | (crowd > deviations)) & ~judged & (spread > 0))
    beside = (crowd > height) | ~far  # what says so is the crowd, not the image's own place
    score = np.where(beside, 1 - np.exp(-np.exp(np.minimum(crowd * spread, 50))), 1 - scores)
    evidence = [
        _beside(crowd[i])
        if beside[i]
        else f"{distance[i]:.1f} times as far from its {neighbours} nearest images as the median image."
        for i in strange
    ]
    return strange, score[strange], np.array(evidence, object)


def in_a_crowd(vectors: listed_neighbours.Vectors, codes: Ints, piece_map: PieceMap = here) -> Floats:
    """By how many deviations images lie off the bulk of all and, within `_LESS`, off that of their class; −inf where
    they have no class (code −1) or a small one."""
    rows = np.arange(len(codes))
    by_class = np.argsort(codes, kind="stable")[np.count_nonzero(codes < 0) :]
    classes = np.split(by_class, np.cumsum(np.bincount(codes[by_class])))
    large = [members for members in classes if len(members) >= _LEAST]
    unit = unit_vectors(vectors, rows, vectors(rows[:1]).shape[1])
    groups = [Group(rows, _OF_ALL), *(Group(members, _OF_CLASS) for members in large)]
    heights = [np.log(np.maximum(reach, 1e-12)) for reach in reaches(unit, groups, piece_map=piece_map)]
    off, off_class = heights[0], np.full(len(codes), np.nan)
    for members, height in zip(large, heights[1:], strict=True):
        off_class[members] = height
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
