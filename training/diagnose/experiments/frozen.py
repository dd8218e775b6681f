"""Are layers frozen that should learn?"""

from __future__ import annotations

import keras

from imageclinic.training.diagnose.lab import Lab, effect
from imageclinic.training.diagnose.results import WORTH, NothingToTry, Result

QUESTION = "Are layers frozen that should learn?"
RUNS = (0, 1)
PLACE = 60


def run(lab: Lab) -> tuple[Result, Lab]:
    """Train with all layers trainable; frozen ones start from the weights that they came with."""
    own = lab.recipe.own
    if own is None:
        raise NothingToTry("networks of the ladder have no frozen layers; give --model FILE.keras")
    held = [
        layer
        for layer in own._flatten_layers(include_self=False)
        if not isinstance(layer, (keras.Model, keras.layers.Normalization))
        and layer.count_params()
        and not layer.trainable
    ]
    frozen, total = sum(layer.count_params() for layer in held), own.count_params()
    numbers = {"frozen": frozen, "parameters": total}
    if not frozen:
        return Result("None are.", numbers=numbers), lab
    changed = lab.recipe.change(unfrozen=True)
    trial = lab.trial(changed)
    gained = lab.gain(trial)
    evidence = (
        f"{frozen:,} of {total:,} parameters are frozen, in {', '.join(layer.name for layer in held[:4])}"
        f"{', …' if len(held) > 4 else ''}. With all of them trained {trial.accuracy:.1%} of the validation images are "
        f"right instead of {lab.base().accuracy:.1%}."
    )
    found = effect(
        "frozen_layers",
        gained,
        evidence,
        "for layer in model.layers: layer.trainable = True; then model.compile(…) again",
    )
    answer = f"{frozen:,} of {total:,} parameters are frozen."
    return Result(answer, (found,), numbers), lab.change(recipe=changed) if gained.low > WORTH else lab
