"""Is another learning rate better?"""

from __future__ import annotations

import numpy as np

from imageclinic.training.diagnose.lab import Lab, Trial, effect
from imageclinic.training.diagnose.results import WORTH, Result

QUESTION = "Is another learning rate better?"
RUNS = (7, 1)
PLACE = 80

FACTORS = (0.1, 0.3, 3.0, 10.0)
FAR = (0.01, 100.0)
GUESSING = 3.0  # times the accuracy of guessing: with less, the rate may be anywhere
FAILING = 0.05  # gain, sure or not, above which a rate that fails with some seeds, or to memorise, is a fault
WILD = 0.2  # range of seeds' accuracies; of trainings that work it is a few points
_HIGHEST, _LOWEST = 3.0, 1e-7


def run(lab: Lab) -> tuple[Result, Lab]:
    """Rates from a tenth to ten times, from a hundredth to a hundred times where hardly anything was learnt, and
    further where an end of that range is best: one seed chooses, others confirm. When it gains more than a point, all
    experiments that follow use it."""
    rate = lab.recipe.learning_rate
    tried = {rate: lab.explored(lab.recipe)}
    lost = tried[rate] < GUESSING * np.bincount(lab.data.val.y).max() / len(lab.data.val)
    for other in [rate * factor for factor in ((*FACTORS, *FAR) if lost else FACTORS)]:
        if _possible(other):
            tried[other] = lab.explored(lab.recipe.change(learning_rate=other))
    for end, further in ((max, 10.0), (min, 0.1)):
        while (best := _best(tried, rate)) == end(tried) and best != rate and _possible(best * further):
            tried[best * further] = lab.explored(lab.recipe.change(learning_rate=best * further))
    best = _best(tried, rate)
    numbers = {"tried": {f"{k:.2g}": v for k, v in sorted(tried.items())}}
    if best == rate:
        return Result(f"None of {len(tried) - 1} others was.", numbers=numbers), lab
    changed = lab.recipe.change(learning_rate=best)
    trial = lab.trial(changed)
    gained = lab.gain(trial)
    evidence = (
        f"A learning rate of {best:.2g} instead of {rate:.2g} gives {trial.accuracy:.1%} instead of "
        f"{lab.base().accuracy:.1%} (chosen with one seed, measured with {len(lab.seeds)} others)."
    )
    # At such a rate some seeds learn and some don't: of five no gain is sure, and that is the sign.
    apart = _range(lab.base())
    wild = _wild(lab.base(), trial)
    fault = best < rate and gained.estimate > FAILING and (wild or lab.too_fast)
    if fault and wild:
        evidence += f" With the higher one seeds lie {100 * apart:.0f} points apart."
    if fault and lab.too_fast:
        evidence += " With the higher one it can't even memorise 50 images, with a lower one it can."
    better = fault or gained.low > WORTH
    word = "better" if fault or gained.low > 0 else "no better for sure"
    found = effect("learning_rate", gained, evidence, f"--learning-rate {best:.2g}", fault=fault)
    return Result(f"{best:.2g} is {word}.", (found,), numbers), lab.change(recipe=changed) if better else lab


def _range(trial: Trial) -> float:
    """How far the accuracies of seeds lie apart."""
    return float(np.ptp(trial.correct.mean(axis=1)))


def _wild(base: Trial, changed: Trial) -> bool:
    """Whether seeds lie far apart, and those of the changed recipe do not."""
    return _range(base) > max(WILD, 4 * _range(changed))


def _possible(rate: float) -> bool:
    return _LOWEST <= rate <= _HIGHEST


def _best(tried: dict[float, float], rate: float) -> float:
    """The best rate; of equals the nearest to the recipe's."""
    return max(tried, key=lambda r: (tried[r], -max(r / rate, rate / r)))
