"""Would more images help, and how much?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

from imageclinic.training.diagnose.lab import Lab
from imageclinic.training.diagnose.results import Effect, NothingToTry, Result
from imageclinic.training.diagnose.setup import Images

QUESTION = "Would more images help?"
RUNS = (0, 2)
PLACE = 140

PARTS = (1 / 4, 1 / 2)
MORE = 2  # times as many images: what the gain is estimated for
_LEAST, _DRAWS = 1, 400  # images a part at least, per class on average; draws of the bootstrap
_SMALLEST = 1e-3  # distance of an error from its ends


def run(lab: Lab) -> tuple[Result, Lab]:
    """The error on a quarter, a half and all of the training images, with equal steps, drawn again for each
    seed, is continued to twice as many, above the error that wrong labels are known to cause. Classes that are known to
    starve are left out: what they lack is images of theirs. Images are dear: where another augmentation or
    regularisation was sure to help, the curve is drawn with that.

    Learning curves follow power laws once they have left chance (Hestness et al., "Deep Learning Scaling is
    Predictable, Empirically", 2017). So the law here is one of the odds of an error, between that floor and guessing:
    the same power law where errors are few. On 16 curves of 40 to 350 digits and hands the gain by four times as many
    images was foretold 1.9 points too low on average (root mean square error 4.7), by a power law 4.4 (7.7).
    The interval has the seeds and, by a bootstrap, the validation images in it; not that the law may bend.
    """
    train, val = lab.data.train, lab.data.val
    if min(PARTS) * len(train) < _LEAST * lab.classes:
        raise NothingToTry(f"{len(train)} training images are too few to learn from a part of them")
    words, recipe = lab.mended or ("", lab.recipe)
    right = [lab.trial(recipe, train=[_part(train, p, s) for s in lab.seeds]).correct for p in PARTS]
    fed = ~np.isin(val.y, lab.starved)
    correct = np.stack([*right, lab.trial(recipe).correct])[:, :, fed]  # (sizes, seeds, images)
    sizes = np.array([*PARTS, 1.0]) * len(train)
    most = 1 - 1 / lab.classes

    def gain(errors: npt.NDArray[np.float64], more: float = MORE) -> float:
        return float(fed.mean()) * gained(sizes, errors, lab.floor, most, more)

    names, group = np.unique(val.group[fed], return_inverse=True)
    each = np.array([gain(1 - correct[:, s].mean(axis=1)) for s in range(len(lab.seeds))])
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(_DRAWS):
        weight = np.bincount(random.integers(0, len(names), len(names)), minlength=len(names))[group]
        drawn.append(gain(1 - np.average(correct.mean(axis=1), axis=1, weights=weight)))
    errors = 1 - correct.mean(axis=(1, 2))
    estimate, further = gain(errors), gain(errors, MORE**2)
    spread = float(np.sqrt(each.var(ddof=1) / len(each) + np.var(drawn)))
    half = float(stats.t.ppf(0.975, 2 * (len(each) - 1))) * spread
    accuracies = {f"{n:.0f}": float(c.mean()) for n, c in zip(sizes, correct, strict=True)}
    points = ", ".join(f"{a:.1%} with {n}" for n, a in accuracies.items())
    but = f" (but for {', '.join(lab.data.classes[k] for k in lab.starved[:5])})" if lab.starved else ""
    evidence = (
        f"{f'With {words} validation' if words else 'Validation'} accuracy{but} is {points} training images. "
        f"If that goes on, {MORE} times as many bring {100 * estimate:+.1f} points and {MORE**2} times as many "
        f"{100 * further:+.1f}."
    )
    remedy = f"More images of all classes: {MORE} times as many for this gain; augmentation and pretrained weights help"
    found = Effect("too_little_data", estimate, estimate - half, estimate + half, evidence, remedy)
    numbers = {
        "accuracy": accuracies,
        f"times_{MORE}": estimate,
        f"times_{MORE**2}": further,
        "floor": lab.floor,
        "with": words,
        "left_out": [lab.data.classes[k] for k in lab.starved],
    }
    return Result(f"{points}; {MORE} times as many: {100 * estimate:+.1f} points.", (found,), numbers), lab


def _part(train: Images, share: float, seed: int) -> Images:
    random = np.random.default_rng([seed, 7])
    kept = []
    for number in np.unique(train.y):
        rows = random.permutation(np.flatnonzero(train.y == number))
        kept.append(rows[: max(1, round(share * len(rows)))])
    return train.at(np.sort(np.concatenate(kept)))


def gained(
    sizes: npt.NDArray[np.float64], errors: npt.NDArray[np.float64], floor: float, most: float, more: float
) -> float:
    """Accuracy gained with `more` times as many images: a line through the logarithms of the sizes and of the
    odds of an error between `floor` and `most`, that of guessing."""
    floor = min(floor, most / 2)
    above = np.clip(errors - floor, _SMALLEST, most - floor - _SMALLEST)
    odds = above / (most - floor - above)
    slope = float(np.polyfit(np.log(sizes), np.log(odds), 1)[0])
    then = odds[-1] * more ** min(slope, 0.0)
    return float(above[-1] - (most - floor) * then / (1 + then))
