"""How likely an image of a run is to lie as far from its class as each new image does. Pure.

The measure is the audit's (`audit.class_distance`, `audit.class_strangeness`), and what is usual is the run's alone:
new images that are alike, or strange in their majority, don't become usual.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imageclinic.audit import class_distance, class_strangeness, tail_chances
from imageclinic.audit.principal_axes import of_length_one

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


class Chances(NamedTuple):
    """`chance` (m,), in [0, 1]: that a usual image of the run's is as strange to its class as each new one; `times`
    (m,): how strange it is, and `from_mean`, `from_members` (m,): its distances, in units of the run's median;
    `of_run`: how far the run's (n,) lie from their own class and from another."""

    chance: Floats
    times: Floats
    from_mean: Floats
    from_members: Floats
    of_run: class_distance.Distances


def chances(
    run: npt.NDArray[np.float32],
    codes: Ints,
    crowd: Floats,
    new: npt.NDArray[np.float32],
    new_codes: Ints,
    deviations: float,
) -> Chances:
    """Measure new images by a run.

    Two estimates of the chance are made, and the smaller counts. One follows from the run's own tail, as in the audit;
    strangers in the run hardly change it. The other counts how many of the run's images lie as far (a conformal
    p-value, Bates et al., 2023): with strangers in the run it is too great, without them exact, and some runs have a
    tail that ends sooner than the fitted one.

    Args:
        run: (n, d), in a fixed order.
        codes: (n,) classes, from 0.
        crowd: (n,) by how many deviations the run's images are in a crowd of strangers: above `deviations` they are
            not usual.
        new: (m, d).
        new_codes: (m,) their classes, numbered as the run's.
        deviations: see there.
    """
    usual, distance = class_distance.usual(run, np.arange(len(run)), codes, crowd, strange=crowd > deviations)
    unit, new_unit = (of_length_one(vectors).astype(np.float32) for vectors in (run, new))
    reach = class_strangeness.reach(unit, codes)
    far, apart = usual.distances(new, new_codes), class_strangeness.reach_of_new(unit, codes, new_unit, new_codes)
    scale = class_strangeness.scale(distance.own, reach)
    own, found = scale.heights(distance.own, reach), scale.heights(far, apart)
    tail = tail_chances.fit(own)
    return Chances(
        np.minimum(tail.chances(found), _as_far(own, found)),
        np.exp(np.minimum(found - tail.centre, 50)),
        *scale.times(far, apart),
        distance,
    )


def _as_far(own: Floats, found: Floats) -> Floats:
    """Share of the run's images, and of the new one itself, that lie as far."""
    nearer = np.searchsorted(np.sort(own), found, side="left")
    return np.asarray((len(own) - nearer + 1) / (len(own) + 1))
