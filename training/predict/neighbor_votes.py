"""What the most similar other images are labelled as: a third witness beside heads and discriminants, where it helps.

The others are linear. Where a class is several groups of images, as among brain scans and household rubbish,
neighbours see what no plane does; where classes differ in small ways between alike pictures, as of hands, they see
less. So how much they count is chosen by the log loss of held-out labels, and may be nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from imageclinic.training.predict.calibration import calibrate, log_loss

NEIGHBOURS = 20
#: What the votes may count for, of 1, where they count; the other witnesses share the rest.
WEIGHTS = (0.1, 0.2)
#: By what share of the log loss votes must lower it to count. On nine sets with wrong labels, votes that lowered it by
#: 2.5 to 5 % made flags better on the whole; those that did by less made them worse as often.
LEAST_GAIN = 0.025
#: Images that neighbours are looked for among, at most: more cost minutes.
MOST = 20_000
# A vote counts exp(sharpness · cosine).
_SHARPNESS = 8.0
# Share of the votes that is spread evenly: twenty neighbours can't rule out a class.
_EVEN = 0.1
_CHUNK_BYTES = 256 << 20

Floats = npt.NDArray[np.float32]


def votes(x: Floats, seen: Floats, labels: npt.NDArray[np.integer], classes: int) -> Floats:
    """Probabilities by the labels of the nearest images, the nearer counting more.

    Args:
        x: (n, d), centred.
        seen: (m, d), centred likewise: where neighbours are looked for, m ≥ 1.
        labels: (m,) class numbers below `classes`.
        classes: number of classes.

    Returns:
        (n, classes), rows sum to 1, none 0. Time grows as n · m · d.
    """
    near, far = _unit(x), _unit(seen)
    count = min(NEIGHBOURS, len(far))
    found = np.zeros((len(near), classes))
    size = max(1, _CHUNK_BYTES // (4 * len(far)))
    for start in range(0, len(near), size):
        cosine = near[start : start + size] @ far.T
        best = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
        weight = np.exp(_SHARPNESS * np.take_along_axis(cosine, best, axis=1).astype(np.float64))
        rows = start + np.arange(len(best))
        np.add.at(found, (rows[:, None], labels[best]), weight)
    found /= found.sum(axis=1, keepdims=True)
    return ((1 - _EVEN) * found + _EVEN / classes).astype(np.float32)


def held_out(
    x: Floats,
    labels: npt.NDArray[np.integer],
    fold: npt.NDArray[np.integer],
    classes: int,
    rows: npt.NDArray[np.intp] | None = None,
) -> Floats:
    """Votes (rows, classes) of images of the other folds, of at most `MOST`, evenly chosen by their place in the table.

    Args:
        x: (n, d), centred.
        labels: (n,) class numbers below `classes`.
        fold: (n,) the fold of each image, copies in one.
        classes: number of classes.
        rows: the images that are voted on; None: all.
    """
    asked = np.arange(len(x)) if rows is None else rows
    found = np.empty((len(asked), classes), np.float32)
    for number in np.unique(fold[asked]):
        held = fold[asked] == number
        seen = spread(np.flatnonzero(fold != number))
        found[held] = votes(x[asked[held]], x[seen], labels[seen], classes)
    return found


def spread(rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """At most `MOST` of these rows."""
    return rows[:: max(1, -(-len(rows) // MOST))]


def best_weight(probs: Floats, voted: Floats, labels: npt.NDArray[np.integer]) -> float:
    """Which of `WEIGHTS` gives held-out labels (n,) the least log loss, each calibrated by a temperature; 0 where none
    lowers it by `LEAST_GAIN`. All arrays (n, classes)."""

    def loss(weight: float) -> float:
        return log_loss(calibrate(_log(join(probs, voted, weight))[None], labels)[0], labels)

    losses = {weight: loss(weight) for weight in WEIGHTS}
    best = min(losses, key=losses.__getitem__)
    return best if losses[best] <= (1 - LEAST_GAIN) * loss(0.0) else 0.0


def join(probs: Floats, voted: Floats, weight: float) -> Floats:
    """The weighted geometric mean of two arrays of probabilities (n, classes), rows summing to 1; with a weight of 0
    the first as it is."""
    if not weight:
        return probs
    return np.asarray(softmax((1 - weight) * _log(probs) + weight * _log(voted), axis=1), np.float32)


def _log(probs: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(probs, 1e-12)), np.float32)


def _unit(x: Floats) -> Floats:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(np.float32).tiny)
