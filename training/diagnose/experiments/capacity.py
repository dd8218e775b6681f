"""Is a larger or a smaller network better?"""

from __future__ import annotations

from imageclinic.training.diagnose.lab import Lab
from imageclinic.training.diagnose.results import NothingToTry, Result
from imageclinic.training.diagnose.setup import network
from imageclinic.training.diagnose.tries import Try, sweep
from imageclinic.training.models.rungs import LADDER

QUESTION = "Is a larger or a smaller network better?"
RUNS = (8, 5)
PLACE = 150


def run(lab: Lab) -> tuple[Result, Lab]:
    """One rung up and one rung down the ladder; for a user's own network, the rungs next to it by parameters."""
    rungs = list(LADDER)
    if lab.recipe.own is None:
        at = rungs.index(lab.recipe.model)
        down, up = rungs[:at][-1:], rungs[at + 1 :][:1]
    else:
        sizes = {rung: _parameters(lab, rung) for rung in rungs}
        own = lab.recipe.own.count_params()
        down, up = [r for r in rungs if sizes[r] < own / 2][-1:], [r for r in rungs if sizes[r] > own * 2][:1]
    tries = [
        Try(cause, f"a {word} network, {rung},", lab.recipe.rung(rung), f"--model {rung}")
        for cause, word, names in (("underfitting", "larger", up), ("overfitting", "smaller", down))
        for rung in names
    ]
    if not tries:
        raise NothingToTry("the ladder has no larger and no smaller network")
    return sweep(lab, tries)


def _parameters(lab: Lab, rung: str) -> int:
    recipe = lab.recipe.rung(rung)
    return int(network(recipe, lab.data.train.x.shape[1:], lab.classes, 0).count_params())
