"""How strange vectors are to their class, by two witnesses together.

The distance to the class's mean weighs directions by how much the class varies in them (`class_distance`). Where a
class is wide, as rubbish of one kind is, pictures of another kind that have little of anything lie in its midst by that
measure; but no member of the class is like them. So how far one must go to meet a share of the class's members counts,
too: in the vectors as they are, as what they have in common, such as how much of a photograph there is at all, tells
pictures of another kind apart. A share and not the nearest: some other strangers got the same label.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imageclinic.audit import bulk_distances, tail_chances
from imageclinic.audit.bulk_distances import Group, reaches
from imageclinic.core.engines.piece_map import PieceMap, here

#: Share of the class that must be met, and with how many of its members vectors are compared, at most.
_SHARE, _MOST = 0.05, 1_000
#: The two heights are put together by this norm: the higher one counts, and both a little more than one.
_NORM = 4

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


def reach(unit: npt.NDArray[np.float32], codes: Ints, piece_map: PieceMap = here) -> Floats:
    """Cosine distance from each vector within which a twentieth of its class lies.

    Args:
        unit: (n, d), of length 1.
        codes: (n,) classes, from 0.
        piece_map: where it is done.

    Returns:
        float64 (n,); 0 for the only member of a class.
    """
    classes = _by_class(codes)
    found = np.zeros(len(codes))
    groups = [Group(members, _SHARE, _MOST) for members in classes]
    for members, distance in zip(classes, reaches(unit, groups, piece_map=piece_map), strict=True):
        found[members] = distance
    return found


def reach_of_new(unit: npt.NDArray[np.float32], codes: Ints, new: npt.NDArray[np.float32], new_codes: Ints) -> Floats:
    """The same from new vectors (m, d), of length 1, whose classes are among those of `codes`: float64 (m,)."""
    found = np.zeros(len(new))
    for members in _by_class(codes):
        asked = np.flatnonzero(new_codes == codes[members[0]])
        found[asked] = bulk_distances.reach_of_new(new[asked], unit, Group(members, _SHARE, _MOST))
    return found


def _by_class(codes: Ints) -> list[Ints]:
    """The members of each class, in their order."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(codes) else []


class Scale(NamedTuple):
    """What is usual of the logarithms of a set's distances to the class's mean, and of its reaches: medians, and
    deviations (see `tail_chances.deviation`)."""

    medians: tuple[float, float]
    deviations: tuple[float, float]

    def times(self, distance: Floats, reach: Floats) -> tuple[Floats, Floats]:
        """Both in units of the set's median."""
        far, apart = (
            np.exp(np.minimum(_logarithm(values) - median, 50))
            for values, median in zip((distance, reach), self.medians, strict=True)
        )
        return far, apart

    def heights(self, distance: Floats, reach: Floats) -> Floats:
        """How strange they are: (n,), finite. Each logarithm is taken in deviations from the set's median, and these
        are put together, in units of the first; one that does not vary has no say."""
        units = np.full((2, len(distance)), -np.inf)
        for at, values in enumerate((distance, reach)):
            if self.deviations[at] > 0:
                units[at] = (_logarithm(values) - self.medians[at]) / self.deviations[at]
        highest = units.max(axis=0)
        together = (np.maximum(units, 0) ** _NORM).sum(axis=0) ** (1 / _NORM)
        unit = self.deviations[0] or self.deviations[1]
        return np.where(highest > 0, together, highest) * unit if unit > 0 else np.zeros(len(distance))


def scale(distance: Floats, reach: Floats) -> Scale:
    """Learn from a set, (n,) and (n,), n at least 1, what is usual of both."""
    far, apart = _logarithm(distance), _logarithm(reach)
    return Scale(
        (float(np.median(far)), float(np.median(apart))), (tail_chances.deviation(far), tail_chances.deviation(apart))
    )


def _logarithm(values: Floats) -> Floats:
    """Copies have no distance: what is left of one is rounding."""
    return np.log(np.maximum(values, 1e-6))
