"""Changes to a recipe that are tried: one seed chooses which look better, others measure those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imageclinic.training.diagnose.lab import Lab, effect
from imageclinic.training.diagnose.results import WORTH, Effect, Result
from imageclinic.training.diagnose.setup import Recipe

PROMISING = WORTH / 2  # gain with the exploring seed, below which the others are not asked


@dataclass(frozen=True)
class Try:
    """A changed recipe: which cause it speaks for, what it is in words (after "with"), and what the user would do."""

    cause: str
    words: str
    recipe: Recipe
    remedy: str


def sweep(lab: Lab, tries: Sequence[Try]) -> tuple[Result, Lab]:
    """Explore every change with the one seed that only chooses; measure the best of each cause with the others where
    it was better than the recipe by half a point. What was not, with that seed, is listed, and no effect. The lab
    returned knows the best change that is sure to gain more than a point."""
    own = lab.explored(lab.recipe)
    seen = {each.words: lab.explored(each.recipe) for each in tries}
    words = {each.words: f"{each.words} {100 * (seen[each.words] - own):+.1f} (one seed)" for each in tries}
    effects: list[Effect] = []
    after = lab
    for cause in dict.fromkeys(each.cause for each in tries):
        best = max((each for each in tries if each.cause == cause), key=lambda each: seen[each.words])
        if seen[best.words] - own < PROMISING:
            continue
        trial, base = lab.trial(best.recipe), lab.base()
        gained = lab.gain(trial)
        evidence = (
            f"With {best.words} {trial.accuracy:.1%} of the validation images are right instead of {base.accuracy:.1%} "
            f"(training: {trial.train_accuracy:.1%} instead of {base.train_accuracy:.1%}; {len(lab.seeds)} seeds)."
        )
        effects.append(effect(cause, gained, evidence, best.remedy))
        if gained.low > WORTH and (after.mended is None or trial.accuracy > lab.trial(after.mended[1]).accuracy):
            after = after.change(mended=(best.words, best.recipe))
        points = f"{100 * gained.estimate:+.1f} ({100 * gained.low:+.1f} to {100 * gained.high:+.1f})"
        words[best.words] = f"{best.words} {points}"
    return Result(f"In points: {'; '.join(words.values())}.", tuple(effects), {"own": own, "explored": seen}), after
