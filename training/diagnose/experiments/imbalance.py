"""Do classes with few images fare worse?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from imageclinic.training.data.image_pipelines import oversampled
from imageclinic.training.diagnose.lab import Lab
from imageclinic.training.diagnose.results import Effect, NothingToTry, Result

QUESTION = "Do classes with few images fare worse?"
RUNS = (0, 1)
PLACE = 100

SMALL = 0.5  # of the median size: below it a class is small
LEAST = 10  # images in the median class: with fewer in all, chance makes some classes small, and all are too small


def run(lab: Lab) -> tuple[Result, Lab]:
    """Recall of small classes against the others', and training with the small ones shown as often as the largest.

    The gain is in the mean recall over classes, as if small classes fared like the others: an image of a class that is
    rare in validation, too, counts for little in plain accuracy. A class may also be hard, whatever its size. One right
    and one wrong image are added to each class for its variance, or a class of which all are wrong would seem certain:
    Agresti & Caffo, "Simple and effective confidence intervals" (2000).
    """
    sizes = np.bincount(lab.data.train.y, minlength=lab.classes)
    small = np.flatnonzero(sizes < SMALL * np.median(sizes))
    tested = np.bincount(lab.data.val.y, minlength=lab.classes)
    numbers: dict[str, Any] = {"sizes": dict(zip(lab.data.classes, sizes.tolist(), strict=True))}
    if np.median(sizes) < LEAST:
        raise NothingToTry(
            f"the median class has {np.median(sizes):.0f} of the training images drawn: all classes are small"
        )
    if not len(small):
        raise NothingToTry(f"all classes have alike many images: {sizes.min():,} to {sizes.max():,}")
    small = small[tested[small] > 0]
    others = [k for k in range(lab.classes) if sizes[k] >= SMALL * np.median(sizes) and tested[k]]
    if not len(small) or not others:
        raise NothingToTry("the small classes have no validation images")
    base, y = lab.base(), lab.data.val.y
    right = base.correct.mean(axis=0)
    recall = np.array([right[y == k].mean() if tested[k] else np.nan for k in range(lab.classes)])
    variance = np.array([np.append(right[y == k], (0, 1)).var() / (tested[k] + 1) for k in range(lab.classes)])
    seeds = np.array([np.mean([c[y == k].mean() for k in small]) for c in base.correct])
    usual = float(np.mean(recall[others]))
    gain = float(np.sum(usual - recall[small]) / lab.classes)
    share = len(small) / lab.classes
    spread = np.sqrt(
        variance[small].sum() / lab.classes**2
        + share**2 * (variance[others].sum() / len(others) ** 2 + seeds.var(ddof=1) / len(seeds))
    )
    half = float(stats.norm.ppf(0.975) * spread)
    named = ", ".join(f"{lab.data.classes[k]} ({sizes[k]:,} images) {recall[k]:.0%}" for k in small[:5])
    evidence = (
        f"Right among small classes: {named}{', …' if len(small) > 5 else ''}; among the others, with a median of "
        f"{np.median(sizes[others]):,.0f} images, {usual:.0%}. The gain is in the mean recall over classes."
    )
    numbers["recall"] = dict(zip(lab.data.classes, np.nan_to_num(recall).tolist(), strict=True))
    answer = f"{np.mean(recall[small]):.0%} against {usual:.0%}"
    remedy = "Collect images of these classes"
    found = Effect("class_imbalance", gain, gain - half, gain + half, evidence, remedy)
    if not found.counts:
        return Result(f"They don't, for sure: {answer}.", (found,), numbers), lab
    rows = oversampled(lab.data.train.y, 0)
    shown = lab.trial(train=lab.data.train.at(rows)).correct.mean(axis=0)
    numbers["shown"] = balanced = float(np.mean([shown[y == k].mean() for k in small]))
    found = replace(
        found,
        evidence=f"{evidence} Shown as often as the largest: {balanced:.0%} of the small ones' images.",
        remedy=f"{remedy}; until then imageclinic train OUT --balance sampling",
    )
    return Result(f"They do: {answer}.", (found,), numbers), lab.change(starved=tuple(small.tolist()))
