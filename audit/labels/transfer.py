"""Whether a model learnt on one split holds on another: a shift between splits, distinguished from wrong labels and few
images by a model that was trained within the other split on as many images of the same classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Codes = npt.NDArray[np.int64]

_FOLDS = 5
_Z = 2.576  # of a 99 % interval: a random split is hardly ever flagged
#: Ridge penalties, of which leave-one-out errors choose, where the first component has unit variance.
_PENALTIES = tuple(10.0**k for k in range(-2, 4))
#: Principal components that are kept: more cost time and gain little.
_COMPONENTS = 256
#: More images of a side change an accuracy by less than its interval.
_MOST = 4_000


@dataclass(frozen=True)
class Rows:
    """Some rows of an array of vectors, which may be in a file: only those that are drawn of them are read."""

    vectors: Floats
    """(images, features)"""
    at: Codes
    """(n,) which of these."""

    def __getitem__(self, chosen: Codes) -> Floats:
        return self.vectors[self.at[chosen]]


@dataclass(frozen=True)
class Transfer:
    """Accuracies on the images of one split: of models trained within it (out of fold), and of models trained on as
    many images per class of the other split. `low`, `high`: 99 % interval of their difference."""

    images: int
    within: float
    across: float
    low: float
    high: float

    @property
    def drop(self) -> float:
        """By how much the model from the other split is worse."""
        return self.within - self.across


def transfer(
    source: tuple[Floats | Rows, Codes],
    target: tuple[Floats | Rows, Codes],
    groups: Codes,
    *,
    least: int = 5,
    seed: int = 0,
) -> Transfer | None:
    """Compare training on `source` with training within `target`.

    Args:
        source: (n, features) vectors and (n,) class numbers of the images that models are usually trained on, none of
            them a copy of a target image.
        target: the same of the split that they are judged on.
        groups: (m,), the split group of each target image: groups stay in one fold, and are what is counted.
        least: classes with fewer images on either side are left out.
        seed: of folds and draws.

    Returns:
        None where fewer than two classes are left. Classifiers are ridge regressions on classes (one against the
        rest); the interval is a normal one over groups.
    """
    rng = np.random.default_rng(seed)
    classes = max(int(source[1].max(initial=-1)), int(target[1].max(initial=-1))) + 1
    counts = [np.bincount(codes, minlength=classes) for _, codes in (source, target)]
    kept = np.flatnonzero((counts[0] >= least) & (counts[1] >= least))
    if len(kept) < 2:
        return None
    x, y = _sample(*source, kept, rng)
    chosen = np.flatnonzero(np.isin(target[1], kept))
    chosen = np.sort(rng.permutation(chosen)[:_MOST])
    to_x, to_y, to_groups = target[0][chosen], target[1][chosen], groups[chosen]
    x, to_x = _reduced(x, to_x)
    _, numbers = np.unique(to_groups, return_inverse=True)
    fold = rng.permutation(np.arange(numbers.max() + 1) % _FOLDS)[numbers]
    right = np.zeros((2, len(to_y)))
    for number in range(_FOLDS):
        held = fold == number
        own, other = _same_counts(to_y[~held], y, rng)
        rows = np.flatnonzero(~held)[own]
        if not held.any() or len(np.unique(to_y[rows])) < 2:
            continue
        right[0, held] = _predict(to_x[rows], to_y[rows], to_x[held]) == to_y[held]
        right[1, held] = _predict(x[other], y[other], to_x[held]) == to_y[held]
    within, across = right.mean(axis=1)
    # Copies agree with each other: a group counts once, with its sum.
    sums = np.bincount(numbers, weights=right[0] - right[1] - (within - across))
    error = float(np.sqrt(np.sum(sums**2))) / len(to_y)
    drop = float(within - across)
    return Transfer(len(to_y), float(within), float(across), drop - _Z * error, drop + _Z * error)


def _sample(x: Floats | Rows, y: Codes, kept: Codes, rng: np.random.Generator) -> tuple[Floats, Codes]:
    rows = np.flatnonzero(np.isin(y, kept))
    rows = np.sort(rng.permutation(rows)[: 2 * _MOST])
    return x[rows], y[rows]


def _reduced(x: Floats, to_x: Floats) -> tuple[Floats, Floats]:
    """Principal components of both sides together, so that neither has the advantage, in units of the first one."""
    both = np.concatenate([x, to_x]).astype(np.float64)
    both -= both.mean(axis=0)
    variances, axes = np.linalg.eigh(both.T @ both / len(both))
    largest = np.argsort(-variances)[:_COMPONENTS]
    both = both @ axes[:, largest] / max(float(np.sqrt(max(variances.max(), 0))), 1e-9)
    return both[: len(x)], both[len(x) :]


def _same_counts(one: Codes, two: Codes, rng: np.random.Generator) -> tuple[Codes, Codes]:
    """Rows of each, as many of one as of the other in every class, drawn at random."""
    rows: tuple[list[Codes], list[Codes]] = ([], [])
    for code in np.intersect1d(one, two):
        mine, theirs = np.flatnonzero(one == code), np.flatnonzero(two == code)
        n = min(len(mine), len(theirs))
        rows[0].append(rng.permutation(mine)[:n])
        rows[1].append(rng.permutation(theirs)[:n])
    return np.concatenate(rows[0]), np.concatenate(rows[1])


def _predict(x: Floats, y: Codes, new: Floats) -> Codes:
    """Ridge regression on classes; leave-one-out errors, in closed form, choose the penalty."""
    classes, codes = np.unique(y, return_inverse=True)
    targets = np.where(codes[:, None] == np.arange(len(classes)), 1.0, -1.0)
    middle, level = x.mean(axis=0), targets.mean(axis=0)
    scales, axes = np.linalg.eigh((x - middle).T @ (x - middle))
    rotated, left = (x - middle) @ axes, targets - level
    best, weights = np.inf, np.zeros((x.shape[1], len(classes)))
    for penalty in _PENALTIES:
        shrunk = 1 / (np.maximum(scales, 0) + penalty)
        solved = shrunk[:, None] * (rotated.T @ left)
        leverage = (rotated**2) @ shrunk + 1 / len(x)
        error = float(np.sum(((left - rotated @ solved) / np.maximum(1 - leverage, 1e-3)[:, None]) ** 2))
        if error < best:
            best, weights = error, axes @ solved
    return np.asarray(classes[np.argmax((new - middle) @ weights + level, axis=1)])
