"""Do pixels reach the network's weights in a sensible range?"""

from __future__ import annotations

import keras
import numpy as np

from imageclinic.training.diagnose.lab import Lab, effect
from imageclinic.training.diagnose.results import NothingToTry, Result
from imageclinic.training.diagnose.setup import network

QUESTION = "Do pixels reach the network in a sensible range?"
RUNS = (0, 1)
PLACE = 40
ALWAYS = True

SMALL, LARGE = 0.02, 20.0  # standard deviation of what reaches the first weights; after one rescaling it is 0.2 to 1
_SAMPLE = 256
#: Layers that make any range alike.
_NORMALISING = (keras.layers.BatchNormalization, keras.layers.LayerNormalization, keras.layers.GroupNormalization)


def run(lab: Lab) -> tuple[Result, Lab]:
    """Look at what comes out of the layers in front of the first weights (Rescaling, Normalization). Where it is far
    too small, images were rescaled twice, where it is far too large, never: then train with it put right, and use that
    in all that follows."""
    train = lab.data.train
    front, scale = _front(lab), lab.recipe.scale
    if front is None:
        raise NothingToTry("the network begins with a layer that makes any range alike")
    some = train.x[:: max(1, len(train) // _SAMPLE)].astype(np.float32) * np.float32(scale)
    spread = float(np.std(np.asarray(front(some, training=False))))
    numbers = {"spread": spread, "pixels_up_to": float(some.max())}
    if SMALL <= spread <= LARGE or not spread:
        return Result(f"Yes: their standard deviation there is {spread:.2g}.", numbers=numbers), lab
    factor = 255.0 if spread < SMALL else 1 / 255
    after = lab.change(recipe=lab.recipe.change(scale=factor * scale))
    gained = lab.gain(after.base())
    what = "rescaled twice, once before the network and once in it" if factor > 1 else "not rescaled"
    evidence = (
        f"Images go up to {numbers['pixels_up_to']:.3g}, and what reaches the first weights has a standard deviation "
        f"of {spread:.2g}, where 0.2 to 1 is usual: they are {what}. Put right, {after.base().accuracy:.1%} of the "
        f"validation images are right instead of {lab.base().accuracy:.1%}."
    )
    remedy = (
        "Rescale once: take /255 out of the pipeline, or the Rescaling layer out of the model"
        if factor > 1
        else "Begin the model with keras.layers.Rescaling(1 / 127.5, offset=-1)"
    )
    # Too small a range is a mistake whatever it costs; networks that normalise later bear too large a one.
    fault = factor > 1 or gained.low > 0
    found = effect("input_pipeline", gained, evidence, remedy, fault=fault)
    return Result(f"No: they are {what}.", (found,), numbers), after if fault else lab


def _front(lab: Lab) -> keras.Model | None:
    """The network up to what its first weights get."""
    model = network(lab.recipe.change(augment="none"), lab.data.train.x.shape[1:], lab.classes, 0)
    for layer in model.layers:
        if isinstance(layer, _NORMALISING):
            return None
        if layer.weights and not isinstance(layer, keras.layers.Normalization) and not _draws(layer):
            return keras.Model(model.inputs[0], layer.input)
    return None


def _draws(layer: keras.layers.Layer) -> bool:
    """Whether its only weights are the state of a random generator (augmentation)."""
    return all("seed_generator" in w.path for w in layer.weights)
