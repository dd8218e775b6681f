"""Is another learning rate better?"""

from __future__ import annotations

from training.diagnose.lab import Lab, effect
from training.diagnose.results import WORTH, Result

QUESTION = "Is another learning rate better?"
RUNS = 10

FACTORS = (0.01, 0.1, 0.3, 3.0, 10.0, 100.0)
_HIGHEST, _LOWEST = 3.0, 1e-7


def run(lab: Lab) -> tuple[Result, Lab]:
    """Rates from a hundredth to a hundred times, further where the end of that range is best: one seed chooses, others
    confirm. When it gains more than a point, all experiments that follow use it."""
    rate = lab.recipe.learning_rate
    tried = {rate: lab.explored(lab.recipe)}
    for factor in FACTORS:
        tried |= _tried(lab, rate * factor)
    for end, further in ((max, 10.0), (min, 0.1)):
        best = _best(tried, rate)
        if best == end(tried) and best != rate:
            tried |= _tried(lab, best * further)
    best = _best(tried, rate)
    numbers = {"tried": {f"{k:.2g}": v for k, v in sorted(tried.items())}}
    if best == rate:
        return Result(f"None of {len(tried) - 1} others was.", numbers=numbers), lab
    changed = lab.recipe.change(learning_rate=best)
    gained = lab.gain(lab.trial(changed))
    evidence = (
        f"A learning rate of {best:.2g} instead of {rate:.2g} gives {lab.trial(changed).accuracy:.1%} instead of "
        f"{lab.base().accuracy:.1%} (chosen with one seed, measured with {len(lab.seeds)} others)."
    )
    better = gained.low > WORTH
    word = "better" if gained.low > 0 else "no better for sure"
    found = effect("learning_rate", gained, evidence, f"--learning-rate {best:.2g}")
    return Result(f"{best:.2g} is {word}.", (found,), numbers), lab.change(recipe=changed) if better else lab


def _tried(lab: Lab, rate: float) -> dict[float, float]:
    return {rate: lab.explored(lab.recipe.change(learning_rate=rate))} if _LOWEST <= rate <= _HIGHEST else {}


def _best(tried: dict[float, float], rate: float) -> float:
    """The best rate; of equals the nearest to the recipe's."""
    return max(tried, key=lambda r: (tried[r], -max(r / rate, rate / r)))
