"""Would more images help, and how much?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

from training.diagnose.lab import Lab
from training.diagnose.results import Effect, NothingToTry, Result

QUESTION = "Would more images help?"
RUNS = 8

PARTS = (1 / 8, 1 / 4, 1 / 2)
MORE = 4  # times as many images: what the gain is told for
_LEAST, _DRAWS = 1, 400  # images a part at least, per class on average; draws of the bootstrap


def run(lab: Lab) -> tuple[Result, Lab]:
    """The error on an eighth, a quarter, a half and all of the training images, with equal steps, drawn anew for each
    seed; a power law through it, above the error that wrong labels are known to cause, goes on to four times as many.
    Learning curves follow power laws: Hestness et al., "Deep Learning Scaling is Predictable, Empirically" (2017).
    The interval has the seeds and, by a bootstrap, the validation images in it; not that the law may bend.
    """
    train = lab.data.train
    parts = [p for p in PARTS if p * len(train) >= _LEAST * lab.classes]
    if len(parts) < 2:
        raise NothingToTry(f"{len(train)} training images are too few to learn from a part of them")
    right = [lab.trial(train=[_part(train.y, p, s, train) for s in lab.seeds]).correct for p in parts]
    correct = np.stack([*right, lab.base().correct])  # (sizes, seeds, images)
    sizes = np.array([*parts, 1.0]) * len(train)
    names, group = np.unique(lab.data.val.group, return_inverse=True)
    each = np.array([_gain(sizes, 1 - correct[:, [s]].mean(axis=(1, 2)), lab.floor) for s in range(len(lab.seeds))])
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(_DRAWS):
        weight = np.bincount(random.integers(0, len(names), len(names)), minlength=len(names))[group]
        drawn.append(_gain(sizes, 1 - np.average(correct.mean(axis=1), axis=1, weights=weight), lab.floor))
    estimate = _gain(sizes, 1 - correct.mean(axis=(1, 2)), lab.floor)
    spread = float(np.sqrt(each.var(ddof=1) / len(each) + np.var(drawn)))
    half = float(stats.t.ppf(0.975, 2 * (len(each) - 1))) * spread
    accuracies = {f"{n:.0f}": float(c.mean()) for n, c in zip(sizes, correct, strict=True)}
    points = ", ".join(f"{a:.1%} with {n}" for n, a in accuracies.items())
    twice = _gain(sizes, 1 - correct.mean(axis=(1, 2)), lab.floor, more=2)
    evidence = (
        f"Validation accuracy is {points} training images. If that goes on, twice as many bring "
        f"{100 * twice:+.1f} points and {MORE} times as many {100 * estimate:+.1f}."
    )
    remedy = f"More images of all classes: {MORE} times as many for this gain; augmentation and pretrained weights help"
    found = Effect("too_little_data", estimate, estimate - half, estimate + half, evidence, remedy)
    numbers = {"accuracy": accuracies, "twice": twice, f"times_{MORE}": estimate, "floor": lab.floor}
    return Result(f"{points}; {MORE} times as many: {100 * estimate:+.1f} points.", (found,), numbers), lab


def _part(y: npt.NDArray[np.int64], share: float, seed: int, train):  # type: ignore[no-untyped-def]
    random = np.random.default_rng([seed, 7])
    kept = []
    for number in np.unique(y):
        rows = random.permutation(np.flatnonzero(y == number))
        kept.append(rows[: max(1, round(share * len(rows)))])
    return train.at(np.sort(np.concatenate(kept)))


def _gain(
    sizes: npt.NDArray[np.float64], errors: npt.NDArray[np.float64], floor: float, *, more: float = MORE
) -> float:
    """Accuracy gained with `more` times as many images. A line through the logarithms of the last three errors."""
    above = np.maximum(errors - floor, 1e-3)[-3:]
    slope = float(np.polyfit(np.log(sizes[-3:]), np.log(above), 1)[0])
    return float(above[-1] * (1 - more ** min(slope, 0.0)))
