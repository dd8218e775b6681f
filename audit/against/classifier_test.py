"""Whether new images can be told from a run's by their embeddings: a classifier two-sample test. Pure.

A cross-validated logistic regression learns which images are new (Lopez-Paz & Oquab 2017, "Revisiting Classifier
Two-Sample Tests"). Its p-value comes from permuting what is new, which is exact whatever the classifier does, also with
folds that share training images; permuting ends when enough of them did as well (after Besag & Clifford 1991).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imageclinic.audit.against.property_tests import ALPHA
from imageclinic.audit.labels.separability import holm

#: The least accuracy that matters; half of the images are new.
LEAST_ACCURACY = 0.6
#: New images, and images of the run, that are compared at most.
MOST = 500
_PERMUTATIONS, _ENOUGH, _AT_ONCE = 999, 10, 20
#: Newton's method is there after so many: the penalty keeps it from running away.
_STEPS = 6
_FOLDS = 5
_COMPONENTS = 32
_STRENGTH = 0.1

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class EmbeddingTest:
    """What came of it: images of each side; `accuracy` of telling them apart out of fold (0.5: not at all); `p`;
    whether they `moved`; `components`: of how many principal components, how many are distributed otherwise by
    Kolmogorov and Smirnov's test with Holm's correction, and the largest distance; `typical`: positions of the new
    images that look newest, the most telling first; `scores`: out-of-fold probability of being new, by position."""

    images: int
    accuracy: float
    p: float
    moved: bool
    components: dict[str, Any]
    typical: list[int]
    scores: dict[int, float]

    def as_json(self) -> dict[str, Any]:
        """For check.json; without the scores, which are in the table."""
        return {k: v for k, v in asdict(self).items() if k not in ("scores", "typical")}


def compare(run: Floats, new: Floats, *, seed: int = 0) -> EmbeddingTest:
    """Test whether two samples of vectors are of one kind.

    Args:
        run: (n, d).
        new: (m, d).
        seed: of draws, folds and permutations.
    """
    rng = np.random.default_rng(seed)
    size = min(len(run), len(new), MOST)
    old, fresh = (np.sort(rng.permutation(len(side))[:size]) for side in (run, new))
    x = _components(np.concatenate([run[old], new[fresh]]).astype(np.float64))
    is_new = np.repeat([False, True], size)
    fold = np.tile(rng.permutation(size) % _FOLDS, 2)
    scores = _out_of_fold(x, is_new[None], fold)[0]
    accuracy, apart = float(((scores > 0.5) == is_new).mean()), _apart(scores[None], is_new[None])[0]
    as_good = done = 0
    while done < _PERMUTATIONS and as_good < _ENOUGH:
        count = min(_AT_ONCE, _PERMUTATIONS - done)
        shuffled = np.stack([_shuffled(is_new, fold, rng) for _ in range(count)])
        as_good += int((_apart(_out_of_fold(x, shuffled, fold), shuffled) >= apart).sum())
        done += count
    p = (as_good + 1) / (done + 1)
    newest = np.argsort(-scores[size:], kind="stable")
    return EmbeddingTest(
        images=size,
        accuracy=round(accuracy, 4),
        p=float(p),
        moved=bool(p < ALPHA and accuracy >= LEAST_ACCURACY),
        components=_moved_components(x, is_new),
        typical=fresh[newest].tolist(),
        scores={int(at): float(score) for at, score in zip(fresh, scores[size:], strict=True)},
    )


def _components(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Principal components of both sides together, scaled so that the first one has unit variance."""
    centred = vectors - vectors.mean(0)
    kept = min(_COMPONENTS, max(2, len(vectors) // 5))
    left, spread, _ = np.linalg.svd(centred, full_matrices=False)
    found = (left * spread)[:, :kept]
    return np.asarray(found / max(float(found[:, 0].std()), 1e-12))


def _shuffled(
    is_new: npt.NDArray[np.bool_], fold: npt.NDArray[np.integer], rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """What is new, permuted within folds, so that both kinds stay equally frequent in each."""
    shuffled = is_new.copy()
    for number in range(_FOLDS):
        rows = np.flatnonzero(fold == number)
        shuffled[rows] = rng.permutation(is_new[rows])
    return shuffled


def _apart(scores: npt.NDArray[np.float64], is_new: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """(labellings,) mean score of what is new less that of the rest: it uses how sure the classifier is, which sees
    smaller shifts than counting what is right."""
    new = np.where(is_new, scores, 0).sum(axis=1) / is_new.sum(axis=1)
    return np.asarray(new - np.where(is_new, 0, scores).sum(axis=1) / (~is_new).sum(axis=1))


def _out_of_fold(
    x: npt.NDArray[np.float64], is_new: npt.NDArray[np.bool_], fold: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """(labellings, n) probability of being new, of models that did not see the image.

    Logistic regressions without intercept (both kinds are equally frequent, x is centred) by Newton's method, side by
    side for all labellings: some hundred small ones, for which a library's overhead would be most of the time."""
    from scipy.special import expit

    scores = np.empty(is_new.shape)
    for number in np.unique(fold):
        held = fold == number
        rows, target = x[~held], is_new[:, ~held].astype(np.float64)
        penalty = _STRENGTH * len(rows) * np.eye(x.shape[1])
        weights = np.zeros((len(target), x.shape[1]))
        for _ in range(_STEPS):
            p = expit(weights @ rows.T)
            gradient = (target - p) @ rows - _STRENGTH * len(rows) * weights
            curvature = (rows.T * (p * (1 - p))[:, None]) @ rows + penalty
            weights += np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        scores[:, held] = expit(weights @ x[held].T)
    return scores


def _moved_components(x: npt.NDArray[np.float64], is_new: npt.NDArray[np.bool_]) -> dict[str, Any]:
    from scipy.stats import ks_2samp

    found = [ks_2samp(x[~is_new, k], x[is_new, k]) for k in range(x.shape[1])]
    moved = holm(np.array([f.pvalue for f in found])) < ALPHA
    largest = int(np.argmax([f.statistic for f in found]))
    return {
        "tested": x.shape[1],
        "moved": [int(k) + 1 for k in np.flatnonzero(moved)],
        "largest": largest + 1,
        "distance": round(float(found[largest].statistic), 4),
    }
