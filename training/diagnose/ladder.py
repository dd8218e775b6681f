"""Experiments in their order, until the budget ends; what is known is reported after each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from imageclinic.core.errors import InputError
from imageclinic.training.diagnose import causes as conclusions
from imageclinic.training.diagnose import experiments
from imageclinic.training.diagnose.experiments import Experiment
from imageclinic.training.diagnose.lab import EXPLORING, Lab, Noise, Runs
from imageclinic.training.diagnose.results import NothingToTry, Result
from imageclinic.training.diagnose.setup import Data, Recipe

BASELINE = "gap"  # the experiment that trains the recipe itself: it shows what a run takes, and how accurate it is
NOTHING = "nothing to try"  # begins the reason for what was looked at in vain
LEAST_IMAGES = 20
#: What no experiment here can see, and why.
OUT_OF_SIGHT = {
    "your_validation_pipeline": "what your own code does to it, such as augmenting it or shuffling it apart from its "
    "labels, can't be seen from here: take two passes over it and compare",
}
Report = Callable[[dict[str, Any]], None]


def runs(seeds: int) -> int:
    """About how many runs of the recipe all experiments take."""
    return sum(experiment.runs(seeds) for experiment in experiments.load().values())


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came. `result` is the diagnosis by the experiments that were done."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__()
        self.result = result


def climb(
    data: Data,
    recipe: Recipe,
    *,
    budget: float,
    noise: Noise,
    seeds: int = 5,
    folder: Path | None = None,
    report: Report | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Run the experiments and say what they say together.

    Args:
        data: what is learnt from and judged on.
        recipe: how.
        budget: seconds. An experiment that would likely end later is not begun, unless its file says `ALWAYS`.
        noise: the audit's noise model: labels and out-of-fold probabilities → probability that each label is wrong.
        seeds: runs of each arm, at least 2; below 5 intervals are much wider.
        folder: where finished runs are kept; the same images and recipe find them again.
        report: called with the diagnosis so far after each experiment.
        progress: called with (experiments done, experiments).

    Returns:
        `verdict` (a sentence or two), `causes` and `possible` (see `training.diagnose.causes`), `healthy`
        (likewise), `experiments` (name → question,
        answer, seconds, effects, numbers), `not_tested` (name → reason), `recipe`, `recipe_in_use`, `images`,
        `classes`, `seeds` (the last one only chooses).

    Raises:
        InputError: too few images or classes, fewer than two seeds, or a budget that is no positive number.
        Failed: training broke down.
        Interrupted: Ctrl-C came; holds what is done.
    """
    _check(data, seeds, budget)
    lab = Lab(data, recipe, tuple(range(seeds)), noise, Runs(folder))
    start = time.monotonic()
    order = experiments.load()
    results: dict[str, Result] = {}
    seconds: dict[str, float] = {}
    left: dict[str, str] = {}

    def diagnosis() -> dict[str, Any]:
        missing = {n: left.get(n, "not reached") for n in order if n not in results}
        return {
            "format": 2,
            **_conclusions(results, missing),
            "experiments": {
                name: _record(order[name], result, seconds.get(name, 0.0)) for name, result in results.items()
            },
            "not_tested": {**missing, **OUT_OF_SIGHT},
            "recipe": recipe.described,
            "recipe_in_use": lab.recipe.described,
            "images": {"train": len(data.train), "val": len(data.val)},
            "classes": list(data.classes),
            "seeds": [*lab.seeds, EXPLORING],
        }

    per_run = 0.0
    try:
        for number, (name, experiment) in enumerate(order.items()):
            begun = time.monotonic()
            needed, rest = experiment.runs(seeds) * per_run, max(0.0, budget - (begun - start))
            if not experiment.always and needed > rest:
                left[name] = f"the budget: it takes about {needed:.0f} s, and {rest:.0f} s are left"
                continue
            try:
                results[name], lab = experiment.run(lab)
            except NothingToTry as nothing:
                left[name] = f"{NOTHING}: {nothing}"
            else:
                seconds[name] = time.monotonic() - begun
            if name == BASELINE:
                per_run = seconds[name] / len(lab.seeds)
            if report is not None:
                report(diagnosis())
            if progress is not None:
                progress(number + 1, len(order))
    except KeyboardInterrupt as stop:
        left |= {name: "interrupted" for name in order if name not in left}
        raise Interrupted(diagnosis()) from stop
    return diagnosis()


def _check(data: Data, seeds: int, budget: float) -> None:
    if seeds < 2:
        raise InputError(f"{seeds} seeds", expected="at least 2: one run has no interval")
    if not 0 < budget < math.inf:
        raise InputError(f"a budget of {budget:g} seconds", expected="a positive number")
    for name, part in (("training", data.train), ("validation", data.val)):
        if len(part) < LEAST_IMAGES:
            raise InputError(
                f"{len(part)} {name} images are too few for any experiment",
                expected=f"at least {LEAST_IMAGES}",
                fix="collect more: with so few, no difference can be shown",
            )
        if len(set(part.y.tolist())) < 2:
            raise InputError(f"all {name} images are of one class", expected="2 classes")


def _conclusions(results: dict[str, Result], missing: dict[str, str]) -> dict[str, Any]:
    """What the results say together, with what was not looked at, and why."""
    unmade = sum(not reason.startswith(NOTHING) for reason in missing.values())
    healthy = conclusions.healthy(results, unmade)
    causes, possible = conclusions.causes(results), conclusions.possible(results)
    now = results[BASELINE].numbers["validation"] if BASELINE in results else None
    return {
        "verdict": conclusions.verdict(causes, possible, healthy, unmade, now),
        "causes": causes,
        "possible": possible,
        "healthy": healthy,
    }


def _record(experiment: Experiment, result: Result, seconds: float) -> dict[str, Any]:
    return {
        "question": experiment.question,
        "answer": result.answer,
        "seconds": round(seconds, 1),
        "effects": [asdict(effect) for effect in result.effects],
        "numbers": result.numbers,
    }
