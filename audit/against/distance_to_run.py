"""How far new images lie from a run's in the embedding, by the measure of the check `outlier`. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imageclinic.audit.principal_axes import evened_axes

#: Images of the run that distances are measured to, and those whose own distances say what is usual, at most.
REFERENCES, USUAL = 20_000, 2_000
_CHUNK = 500

Floats = npt.NDArray[np.float64]


def distances(run: npt.NDArray[np.float32], new: npt.NDArray[np.float32], neighbours: int) -> tuple[Floats, float]:
    """Distances of new images to the run.

    A third of the run's images (at most `USUAL`) plays the part of new ones: components and neighbours are those of the
    others, so that what is usual is as far off as a new image of the same kind would be. What of an image lies outside
    of the components counts, too, as a direction that it shares with nobody: pictures of another kind lie there.

    Args:
        run: (n, d), at least half as many again as `neighbours`.
        new: (m, d).
        neighbours: nearest images that count.

    Returns:
        (m,) mean cosine distance to the nearest images of the run, in units of the median of its own; and the robust
        standard deviation of the logarithm of those, of their upper half. Above `REFERENCES` images a random sample
        stands for the run.
    """
    order = np.random.default_rng(0).permutation(len(run))
    usual = order[: min(USUAL, len(run) // 3)]
    references = run[np.sort(order[len(usual) :][:REFERENCES])]
    mean, turn = evened_axes(references)
    known = _placed(references, mean, turn)

    def log_distance(vectors: npt.NDArray[np.float32]) -> Floats:
        return np.log(np.maximum(_mean_distance(_placed(vectors, mean, turn), known, neighbours), 1e-12))

    own = log_distance(run[usual])
    centre = float(np.median(own))
    above = own[own > centre] - centre
    deviation = 1.4826 * float(np.median(above)) if len(above) else np.inf
    return np.exp(log_distance(new) - centre), deviation


def _placed(vectors: npt.NDArray[np.float32], mean: Floats, turn: Floats) -> npt.NDArray[np.float32]:
    """(n, components) evened-out components, divided by the length of the whole vectors: with what lies outside of the
    components, weighed as the last of them."""
    centred = vectors - mean
    placed = centred @ turn
    weight = np.linalg.norm(turn, axis=0)  # of each component
    rest = (centred**2).sum(axis=1) - ((placed / weight) ** 2).sum(axis=1)
    length = np.sqrt((placed**2).sum(axis=1) + np.maximum(rest, 0) * weight.max() ** 2)
    return np.asarray(placed / np.maximum(length, 1e-12)[:, None], np.float32)


def _mean_distance(asked: npt.NDArray[np.float32], known: npt.NDArray[np.float32], neighbours: int) -> Floats:
    """(m,) mean cosine distance to the nearest of `known`; all of length 1 or less."""
    found = np.empty(len(asked))
    for start in range(0, len(asked), _CHUNK):
        distance = 1 - asked[start : start + _CHUNK] @ known.T
        found[start : start + _CHUNK] = np.partition(distance, neighbours - 1, axis=1)[:, :neighbours].mean(axis=1)
    return found
