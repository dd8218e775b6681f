"""How far new images lie from a run's in the embedding, by the measure of the check `outlier`. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imageclinic.audit.checks.outlier import evened_axes

#: Images of the run that distances are measured to, and those whose own distances say what is usual.
REFERENCES, USUAL = 20_000, 2_000
_CHUNK = 500

Floats = npt.NDArray[np.float64]


def distances(run: npt.NDArray[np.float32], new: npt.NDArray[np.float32], neighbours: int) -> tuple[Floats, float]:
    """Distances of new images to the run.

    Args:
        run: (n, d), more than `neighbours` of them.
        new: (m, d).
        neighbours: nearest images that count.

    Returns:
        (m,) mean cosine distance to the nearest images of the run, in units of the median distance within the run; and
        the robust standard deviation of the logarithm of those within the run, of its upper half. Above `REFERENCES`
        images a random sample stands for the run.
    """
    rng = np.random.default_rng(0)
    some = run[np.sort(rng.permutation(len(run))[:REFERENCES])]
    mean, turn = evened_axes(some)
    known, asked = (_unit((side - mean) @ turn) for side in (some, new))
    usual = np.arange(len(known))[:: max(1, len(known) // USUAL)]
    own = np.log(np.maximum(_mean_distance(known[usual], known, neighbours, itself=True), 1e-12))
    centre = float(np.median(own))
    above = own[own > centre] - centre
    deviation = 1.4826 * float(np.median(above)) if len(above) else np.inf
    return np.maximum(_mean_distance(asked, known, neighbours), 1e-12) / np.exp(centre), deviation


def _unit(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return np.asarray(vectors / lengths, np.float32)


def _mean_distance(
    asked: npt.NDArray[np.float32], known: npt.NDArray[np.float32], neighbours: int, *, itself: bool = False
) -> Floats:
    """(m,) mean cosine distance to the nearest of `known`; with `itself`, those asked are among them and don't count."""
    found = np.empty(len(asked))
    for start in range(0, len(asked), _CHUNK):
        distance = 1 - asked[start : start + _CHUNK] @ known.T
        nearest = np.partition(distance, neighbours - 1 + itself, axis=1)[:, : neighbours + itself]
        total = nearest.sum(axis=1) - (nearest.min(axis=1) if itself else 0)
        found[start : start + _CHUNK] = total / neighbours
    return found
