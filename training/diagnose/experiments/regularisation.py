"""Is more or less regularisation better?"""

from __future__ import annotations

from imageclinic.training.diagnose.lab import Lab
from imageclinic.training.diagnose.results import Result
from imageclinic.training.diagnose.setup import Recipe
from imageclinic.training.diagnose.tries import Try, sweep
from imageclinic.training.models import optimizers

QUESTION = "Is more or less regularisation (dropout, weight decay) better?"
RUNS = (4, 1)
PLACE = 130

DROPOUT, DECAY = 0.5, 0.1
#: Learning rate × weight decay × steps of a strong decay: it forgets within an eighth of the run. The usual numbers do
#: nothing in short runs; what counts is this product: Wang & Aitchison, "How to set AdamW's weight decay as you scale
#: model and dataset size" (2024).
STRONG, _MOST = 8.0, 0.1  # and the largest product of learning rate and weight decay


def run(lab: Lab) -> tuple[Result, Lab]:
    """Strong dropout with the usual and with a strong weight decay, and neither; of a user's own network, whose dropout
    stays as it is, the weight decay alone."""
    recipe = lab.recipe
    steps = recipe.epochs * max(1, len(lab.data.train) // recipe.batch_size)
    decoupled = optimizers.offered(recipe.optimizer)
    usual = max(DECAY, 3 * recipe.weight_decay)
    strong = min(STRONG / steps, _MOST) / recipe.learning_rate
    decays = [usual, strong] if strong > usual else [usual]
    changes = [recipe.change(dropout=DROPOUT, weight_decay=decay, optimizer=decoupled) for decay in decays]
    if recipe.weight_decay or (recipe.dropout and recipe.own is None):
        changes.append(recipe.change(dropout=0.0, weight_decay=0.0))
    return sweep(lab, [_try(changed, lab) for changed in changes])


def _try(changed: Recipe, lab: Lab) -> Try:
    # As much an epoch: an epoch of all images has more steps than one of those that were drawn.
    decay = changed.weight_decay * len(lab.data.train) / max(lab.data.whole, len(lab.data.train))
    words = f"weight decay {changed.weight_decay:.2g}"
    if changed.own is not None:
        code = optimizers.code(changed.optimizer, changed.learning_rate, weight_decay=f"{decay:.2g}")
        return Try("regularisation", words, changed, f"model.compile({code}, …)")
    remedy = f"--dropout {changed.dropout:g} --weight-decay {decay:.2g}"
    return Try("regularisation", f"dropout {changed.dropout:g} and {words}", changed, remedy)
