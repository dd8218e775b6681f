"""Is more or less regularisation better?"""

from __future__ import annotations

from training.diagnose.lab import Lab
from training.diagnose.results import Result
from training.diagnose.setup import Recipe
from training.diagnose.tries import Try, sweep

QUESTION = "Is more or less regularisation (dropout, weight decay) better?"
RUNS = (4, 1)

DROPOUT, DECAY = 0.5, 0.1
#: Learning rate × weight decay × steps of a strong decay: it forgets within an eighth of the run. The usual numbers do
#: nothing in short runs; what counts is this product: Wang & Aitchison, "How to set AdamW's weight decay as you scale
#: model and dataset size" (2024).
STRONG, _MOST = 8.0, 0.1  # and the largest product of learning rate and weight decay


def run(lab: Lab) -> tuple[Result, Lab]:
    """Strong dropout with the usual and with a strong weight decay, and neither. (Dropout inside a user's own network
    stays as it is.)"""
    recipe = lab.recipe
    steps = recipe.epochs * max(1, len(lab.data.train) // recipe.batch_size)
    decoupled = "adamw" if recipe.optimizer == "adam" else recipe.optimizer
    usual = max(DECAY, 3 * recipe.weight_decay)
    strong = min(STRONG / steps, _MOST) / recipe.learning_rate
    decays = [usual, strong] if strong > usual else [usual]
    changes = [recipe.change(dropout=DROPOUT, weight_decay=decay, optimizer=decoupled) for decay in decays]
    if recipe.dropout or recipe.weight_decay:
        changes.append(recipe.change(dropout=0.0, weight_decay=0.0))
    return sweep(lab, [_try(changed, lab) for changed in changes])


def _try(changed: Recipe, lab: Lab) -> Try:
    words = f"dropout {changed.dropout:g} and weight decay {changed.weight_decay:.2g}"
    # As much an epoch: an epoch of all images has more steps than one of those that were drawn.
    decay = changed.weight_decay * len(lab.data.train) / max(lab.data.whole, len(lab.data.train))
    return Try("regularisation", words, changed, f"--dropout {changed.dropout:g} --weight-decay {decay:.2g}")
