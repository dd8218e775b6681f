"""How many labels are wrong, and what does it cost?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imageclinic.training.diagnose.lab import Lab
from imageclinic.training.diagnose.results import Effect, NothingToTry, Result
from imageclinic.training.diagnose.setup import Images, Recipe

QUESTION = "How many labels are wrong, and what do they cost?"
RUNS = (3, 1)
PLACE = 110

FOLDS = 3
#: How far the noise model's share was off on 22 label sets (`audit.labels.noise_model`), 100 images a class and more.
OFF = 0.03


def run(lab: Lab) -> tuple[Result, Lab]:
    """Predict every label by a network of ours that has not seen it, fit the audit's noise model to that, leave out
    the training images whose label is likelier wrong than right, and count a validation image by the probability that
    its label is right.

    The gain is what would be measured with right labels in both. Its interval has the seeds, the validation images and
    the noise model's own error (3 points of wrong labels, more with few images a class) in it.
    """
    train, val = lab.data.train, lab.data.val
    each = len(train) / lab.classes
    if each < 20:
        raise NothingToTry(f"{each:.0f} training images a class are too few to tell wrong labels from hard images")
    both = Images(*(np.concatenate(pair) for pair in ((train.x, val.x), (train.y, val.y), (train.group, val.group))))
    wrong = lab.noise(both.y, out_of_fold(lab, both))
    bad, doubt = wrong[: len(train)], wrong[len(train) :]
    numbers = {"training": float(bad.mean()), "validation": float(doubt.mean())}
    kept = train.at(bad <= 0.5)
    # As the accuracy of the fixed recipe, with right labels in training alone, then in validation, too.
    cleaned, base = lab.trial(train=kept).correct, lab.base().correct
    gains = np.stack([_weighted(c, 1 - doubt) for c in cleaned]) - base.mean(axis=1)
    spread = _spread(cleaned, base, 1 - doubt)
    estimate = float(gains.mean())
    unsure = OFF * (1 + 100 / each)
    half = 2.8 * float(np.sqrt(gains.var(ddof=1) / len(gains) + spread**2)) + min(unsure, float(wrong.mean()))
    evidence = (
        f"About {bad.mean():.1%} of the training labels and {doubt.mean():.1%} of the validation labels seem to be "
        f"wrong (model-based, uncalibrated). Without the likeliest {len(train) - len(kept):,} of {len(train):,}, and "
        f"judged on right labels, accuracy would be about {base.mean() + estimate:.1%} instead of {base.mean():.1%}."
    )
    remedy = "imageclinic audit DATA, then imageclinic review RUN: look at the flagged labels, the worst first"
    found = Effect("label_noise", estimate, estimate - half, estimate + half, evidence, remedy)
    answer = f"About {bad.mean():.1%} in training and {doubt.mean():.1%} in validation."
    floor = float(doubt.mean()) if found.counts else 0.0
    return Result(answer, (found,), numbers), lab.change(floor=floor)


def out_of_fold(lab: Lab, images: Images) -> npt.NDArray[np.float32]:
    """Probabilities of each image's label by a network of ours that has not seen it or its copies: (n, classes)."""
    names, group = np.unique(images.group, return_inverse=True)
    fold = np.random.default_rng(0).permutation(len(names))[group] % FOLDS
    recipe = Recipe(learning_rate=3e-3, epochs=lab.recipe.epochs)
    probs = np.empty((len(images), lab.classes), np.float32)
    for number in range(FOLDS):
        held = fold == number
        probs[held] = lab.trial(recipe, train=images.at(~held), val=images.at(held), seeds=[number]).outputs[0]
    return np.nan_to_num(probs, nan=1 / lab.classes)


def _weighted(correct: npt.NDArray[np.bool_], weight: npt.NDArray[np.float64]) -> float:
    return float(np.average(correct, weights=weight)) if weight.sum() else 0.0


def _spread(cleaned: npt.NDArray[np.bool_], base: npt.NDArray[np.bool_], weight: npt.NDArray[np.float64]) -> float:
    """Standard error of the gain over validation images."""
    each = cleaned.mean(axis=0) * weight / max(float(weight.mean()), 1e-9) - base.mean(axis=0)
    return float(each.std(ddof=1) / np.sqrt(len(each)))
