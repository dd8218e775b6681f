"""Is another batch size or optimizer better?"""

from __future__ import annotations

from imageclinic.training.diagnose.lab import Lab
from imageclinic.training.diagnose.results import Result
from imageclinic.training.diagnose.tries import Try, sweep

QUESTION = "Is another batch size or optimizer better?"
RUNS = (6, 2)

#: Optimizer → a learning rate that usually does.
USUAL = {"adamw": 1e-3, "sgd": 1e-2, "rmsprop": 1e-3}


def run(lab: Lab) -> tuple[Result, Lab]:
    """A quarter and four times the batch, in as many epochs; other optimizers at a usual learning rate."""
    recipe = lab.recipe
    tries = [
        Try("batch_size", f"batch size {size}", recipe.change(batch_size=size), f"--batch-size {size}")
        for size in (recipe.batch_size // 4, 4 * recipe.batch_size)
        if 4 <= size <= len(lab.data.train) // 2
    ]
    for name, rate in USUAL.items():
        if name not in (recipe.optimizer, f"{recipe.optimizer}w"):
            changed = recipe.change(optimizer=name, learning_rate=rate)
            code = f"keras.optimizers.{keras_name(name)}({rate:g})"
            tries.append(Try("optimizer", f"{name} at learning rate {rate:g}", changed, f"model.compile({code}, …)"))
    return sweep(lab, tries)


def keras_name(optimizer: str) -> str:
    """What Keras calls an optimizer."""
    return {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop"}[optimizer]
