"""Is more or less regularisation better?"""

from __future__ import annotations

from training.diagnose.lab import Lab
from training.diagnose.results import Result
from training.diagnose.setup import Recipe
from training.diagnose.tries import Try, sweep

QUESTION = "Is more or less regularisation (dropout, weight decay) better?"
RUNS = 6


def run(lab: Lab) -> tuple[Result, Lab]:
    """Strong dropout and weight decay, and neither. (Dropout inside a user's own network stays as it is.)"""
    recipe = lab.recipe
    more = recipe.change(
        dropout=0.5,
        weight_decay=max(0.1, 3 * recipe.weight_decay),
        optimizer="adamw" if recipe.optimizer == "adam" else recipe.optimizer,
    )
    changes = [more]
    if recipe.dropout or recipe.weight_decay:
        changes.append(recipe.change(dropout=0.0, weight_decay=0.0))
    return sweep(lab, [_try(changed) for changed in changes]), lab


def _try(changed: Recipe) -> Try:
    words = f"dropout {changed.dropout:g} and weight decay {changed.weight_decay:g}"
    remedy = f"--dropout {changed.dropout:g} --weight-decay {changed.weight_decay:g}"
    return Try("regularisation", words, changed, remedy)
