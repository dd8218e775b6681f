"""Do the network's output and its loss agree?"""

from __future__ import annotations

import numpy as np

from imageclinic.training.diagnose.lab import Lab, effect
from imageclinic.training.diagnose.results import NothingToTry, Result
from imageclinic.training.diagnose.setup import network

QUESTION = "Do the output and the loss agree (softmax, from_logits)?"
RUNS = (0, 1)
PLACE = 50
ALWAYS = True

_SAMPLE = 64


def run(lab: Lab) -> tuple[Result, Lab]:
    """A softmax gives rows from 0 to 1 that sum to 1; the loss must then have from_logits=False, else True."""
    recipe = lab.recipe
    if recipe.own is None:
        raise NothingToTry("networks of the ladder agree with their loss; give --model FILE.keras")
    model = network(recipe, lab.data.train.x.shape[1:], lab.classes, 0)
    rows = np.asarray(
        model(lab.data.train.x[:_SAMPLE].astype(np.float32) * np.float32(recipe.scale), training=False), np.float64
    )
    softmax = bool(rows.min() >= 0 and np.allclose(rows.sum(axis=1), 1, atol=1e-2))
    numbers = {"softmax": softmax, "from_logits": recipe.from_logits}
    if softmax != recipe.from_logits:
        return Result("Yes.", numbers=numbers), lab
    changed = recipe.change(from_logits=not softmax)
    gained = lab.gain(lab.trial(changed))
    output = "probabilities (a softmax)" if softmax else "numbers that are no probabilities"
    evidence = (
        f"The network gives {output}, and its loss has from_logits={recipe.from_logits}. With {not softmax}, "
        f"{lab.trial(changed).accuracy:.1%} of the validation images are right instead of {lab.base().accuracy:.1%}."
    )
    remedy = f"loss=keras.losses.SparseCategoricalCrossentropy(from_logits={not softmax})"
    # Keras sees through a softmax in front of such a loss, as a rule: then it costs nothing.
    found = effect("loss_mismatch", gained, evidence, remedy, fault=gained.low > 0)
    return Result("No.", (found,), numbers), lab.change(recipe=changed) if found.fault else lab
