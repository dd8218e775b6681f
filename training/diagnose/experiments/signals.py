"""Do signals get through a user's network: gradients that vanish or explode, units that are dead?"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from imageclinic.training.diagnose.lab import Lab
from imageclinic.training.diagnose.results import Effect, NothingToTry, Result
from imageclinic.training.diagnose.setup import Images, network
from imageclinic.training.diagnose.trainer import Trainer

QUESTION = "Do gradients reach all layers, and are units alive?"
RUNS = (1, 0)
PLACE = 170

SAMPLE, DEAD, RATIO = 256, 0.9, 1e4


def run(lab: Lab) -> tuple[Result, Lab]:
    """At the start: the size of the gradient of each kernel, per weight, against the largest. After one run: the share
    of each ReLU layer's units that are 0 for 256 training images."""
    if lab.recipe.own is None:
        raise NothingToTry("signals get through networks of the ladder; give --model FILE.keras")
    trainer = lab.runs.trainer(lab.recipe, lab.data.train.x.shape[1:], lab.classes)
    some = lab.data.train.at(np.random.default_rng(0).permutation(len(lab.data.train))[:SAMPLE])
    sizes = _gradients(trainer, lab, some)
    trainer.run(lab.recipe, lab.data.train, some, 0, lab.recipe.epochs)
    dead = _dead(trainer.model, trainer.inputs(some.x))
    numbers = {"gradients": sizes, "dead": dead}
    effects = []
    low, high = min(sizes, key=lambda k: sizes[k]), max(sizes, key=lambda k: sizes[k])
    if not np.isfinite(list(sizes.values())).all() or sizes[high] > RATIO * max(sizes[low], 1e-30):
        evidence = (
            f"At the start the gradient of {low} is {sizes[low]:.1e} per weight and that of {high} {sizes[high]:.1e}: "
            "some layers learn ten thousand times slower than others."
        )
        remedy = "BatchNormalization after each layer, ReLU instead of sigmoid or tanh, shortcuts in deep networks"
        effects.append(Effect("gradients", None, None, None, evidence, remedy, fault=True))
    worst = max(dead, key=lambda k: dead[k], default=None)
    if worst is not None and dead[worst] > DEAD:
        evidence = f"After training {dead[worst]:.0%} of the units of {worst} are 0 for all of {len(some)} images."
        remedy = "A lower learning rate, keras.initializers.HeNormal(), LeakyReLU instead of ReLU"
        effects.append(Effect("dead_units", None, None, None, evidence, remedy, fault=True))
    words = f"gradients per weight from {sizes[low]:.1e} ({low}) to {sizes[high]:.1e} ({high})"
    return Result(f"{words}; at most {max(dead.values(), default=0):.0%} dead units.", tuple(effects), numbers), lab


def _gradients(trainer: Trainer, lab: Lab, some: Images) -> dict[str, float]:
    fresh = network(lab.recipe, trainer.shape, lab.classes, 0)
    for variable, value in zip(trainer.model.variables, fresh.variables, strict=True):
        variable.assign(value)
    kernels = [v for v in trainer.model.trainable_variables if "kernel" in v.path]
    with tf.GradientTape() as tape:
        outputs = trainer.model(trainer.inputs(some.x), training=True)
        loss = trainer.loss(tf.constant(some.y, tf.int32), outputs)
    found = tape.gradient(loss, [v.value for v in kernels])
    return {
        v.path: 0.0 if g is None else float(tf.sqrt(tf.reduce_mean(tf.square(g))))
        for v, g in zip(kernels, found, strict=True)
    }


def _dead(model: keras.Model, x: tf.Tensor) -> dict[str, float]:
    named = [layer for layer in model.layers if _rectifies(layer)]
    if not named:
        return {}
    values = keras.Model(model.inputs[0], [layer.output for layer in named])(x, training=False)
    found = {}
    for layer, value in zip(named, values if isinstance(values, list) else [values], strict=True):
        units = np.asarray(value).reshape(-1, value.shape[-1])
        found[layer.name] = float((units.max(axis=0) <= 0).mean())
    return found


def _rectifies(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.ReLU) or getattr(layer, "activation", None) is keras.activations.relu
