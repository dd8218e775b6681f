"""How well one property of the images tells their classes apart, out of fold. Pure array functions.

A property is cut into bins. In each fold, the other folds say which class, or which group of classes, its bins set
apart best, and which bins speak for that group; how well they do is measured on the images of the fold. One number
per property results, whatever the number of classes, and nothing is chosen on the images that it is measured on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

#: Images that each bin is given in advance, spread as all images are: a bin with few says little.
_PRIOR = 2.0


@dataclass(frozen=True)
class Separation:
    """What `separation` found.

    `accuracy`: mean of the shares of the group's and of the other images that are classified right, out of fold; 0.5 is
    chance. `p`: probability of so much if property and class had nothing to do with each other. `group`: the
    classes that all images together set apart, as a mask (classes,), at most half of the classes. `class_accuracy`:
    balanced accuracy of naming the class itself, out of fold; chance is 1 / classes.
    """

    accuracy: float
    p: float
    group: npt.NDArray[np.bool_]
    class_accuracy: float


def bins_for(images: int, classes: int) -> int:
    """Number of bins, 4 to 32, with about as many images of a class in each as there are bins."""
    return int(np.clip(np.sqrt(images / max(classes, 1)), 4, 32))


def number_codes(values: npt.ArrayLike, bins: int) -> Codes:
    """Numbers (n,) → bins 0, 1, … of about equally many images; each value its own bin when there are few."""
    numbers = np.asarray(values, dtype=np.float64)
    distinct, codes = np.unique(numbers, return_inverse=True)
    if len(distinct) > bins:
        edges = np.unique(np.quantile(numbers, np.arange(1, bins) / bins, method="lower"))
        codes = np.searchsorted(edges, numbers, side="left")
    return codes.astype(np.int64)


def separation(codes: Codes, labels: Codes, folds: Codes, classes: int) -> Separation:
    """Measure how well bins tell classes apart.

    Args:
        codes: (n,), the bin of each image, from 0.
        labels: (n,), its class, 0 to classes − 1, each of them there.
        folds: (n,), its fold, from 0. Images that are not independent must share one.
        classes: how many there are, at least 2.

    Returns:
        Accuracies and their significance: the number of right answers in a fold is hypergeometric when labels
        are drawn by lot, and the sum over the folds is taken as normal. Its variance is doubled, because every two
        images of different folds vote on each other: without that, p would be too small.
    """
    bins, n_folds = int(codes.max()) + 1, int(folds.max()) + 1
    counts = np.bincount((folds * bins + codes) * classes + labels, minlength=n_folds * bins * classes)
    tables = counts.reshape(n_folds, bins, classes).astype(np.float64)
    whole = tables.sum(axis=0)
    excess, variance, judged = 0.0, 0.0, 0
    right = np.zeros(classes)
    for test in tables:
        rule = _rule(whole - test)
        images, inside, yes = test.sum(), test[:, rule.group].sum(), test[rule.speaks].sum()
        named = test[np.arange(bins), rule.names]
        right += np.bincount(rule.names, weights=named, minlength=classes)
        if not 0 < inside < images:
            continue
        weight = 1 / inside + 1 / (images - inside)
        excess += weight * (test[rule.speaks][:, rule.group].sum() - yes * inside / images)
        variance += weight**2 * yes * (images - yes) * inside * (images - inside) / (images**2 * (images - 1))
        judged += 1
    if not judged or variance == 0:
        return Separation(0.5, 1.0, _smaller(_rule(whole).group), 1 / classes)
    return Separation(
        accuracy=float(0.5 + excess / judged / 2),
        p=math.erfc(excess / math.sqrt(2 * variance) / math.sqrt(2)) / 2,
        group=_smaller(_rule(whole).group),
        class_accuracy=float((right / whole.sum(axis=0)).mean()),
    )


def holm(p: npt.ArrayLike) -> Floats:
    """p-values (n,) corrected for their number (Holm, 1979): at most 1, in the same order."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(1, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return corrected


@dataclass(frozen=True)
class _Rule:
    group: npt.NDArray[np.bool_]  # (classes,)
    speaks: npt.NDArray[np.bool_]  # (bins,): for the group
    names: Codes  # (bins,): the likeliest class


def _rule(table: Floats) -> _Rule:
    """What a table of images by bin and class teaches: every class alone, and every cut through the order of the
    classes along the table's first axis, are tried as groups."""
    of_class, of_bin, total = table.sum(axis=0), table.sum(axis=1), table.sum()
    order = np.argsort(_first_axis(table), kind="stable")
    inside = np.concatenate([table, table[:, order].cumsum(axis=1)[:, :-1]], axis=1)
    n = inside.sum(axis=0)
    prior = _PRIOR * of_bin[:, None] / total
    share = (inside + prior) / (n + _PRIOR)
    others = (of_bin[:, None] - inside + prior) / (total - n + _PRIOR)
    # How far apart they are, less two standard errors: small classes differ more by chance.
    apart = np.abs(share - others).sum(axis=0) / 2 - np.sqrt(1 / np.maximum(n, 1) + 1 / np.maximum(total - n, 1))
    best = int(np.argmax(apart))
    classes = table.shape[1]
    group = np.zeros(classes, dtype=bool)
    group[[best] if best < classes else order[: best - classes + 1]] = True
    names = ((table + prior) / (of_class + _PRIOR)).argmax(axis=1)
    return _Rule(group, share[:, best] > others[:, best], names)


def _first_axis(table: Floats) -> Floats:
    """Places of the classes on the first axis of correspondence analysis (Greenacre, 1984)."""
    share = table / table.sum()
    expected = share.sum(axis=1, keepdims=True) * share.sum(axis=0, keepdims=True)
    residuals = (share - expected) / np.sqrt(np.where(expected > 0, expected, 1))
    first = np.linalg.svd(residuals, full_matrices=False)[2][0]
    return np.asarray(first / np.sqrt(np.maximum(share.sum(axis=0), 1 / table.sum())))


def _smaller(group: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return ~group if group.sum() * 2 > len(group) else group
