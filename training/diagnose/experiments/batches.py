"""Is another batch size or optimizer better?"""

from __future__ import annotations

from imageclinic.training.diagnose.lab import Lab
from imageclinic.training.diagnose.results import Result
from imageclinic.training.diagnose.tries import Try, sweep
from imageclinic.training.models import optimizers

QUESTION = "Is another batch size or optimizer better?"
RUNS = (6, 2)
PLACE = 160


def run(lab: Lab) -> tuple[Result, Lab]:
    """A quarter and four times the batch, in as many epochs; other optimizers at a usual learning rate."""
    recipe = lab.recipe
    tries = [
        Try("batch_size", f"batch size {size}", recipe.change(batch_size=size), f"--batch-size {size}")
        for size in (recipe.batch_size // 4, 4 * recipe.batch_size)
        if 4 <= size <= len(lab.data.train) // 2
    ]
    for name in optimizers.OFFERED:
        if name != optimizers.offered(recipe.optimizer):
            rate = optimizers.OPTIMIZERS[name].usual_rate
            changed = recipe.change(optimizer=name, learning_rate=rate)
            remedy = f"model.compile({optimizers.code(name, rate)}, …)"
            tries.append(Try("optimizer", f"{name} at learning rate {rate:g}", changed, remedy))
    return sweep(lab, tries)
