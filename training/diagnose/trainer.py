"""Training many small networks quickly: a whole epoch is one call of a graph, kept between runs of one architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from imageclinic.training.diagnose.setup import LOSSES, Images, Recipe, network
from imageclinic.training.models import optimizers

_EVALUATED = 256  # images at once
_DECAYING = 1 / 3  # share of the steps, at the end, over which the learning rate falls to 0


@dataclass(frozen=True)
class Outcome:
    """One run. `outputs` (images judged on, classes): probabilities, finite or not; `train_accuracy`: share of the
    images learnt from that are right at the end, without dropout and augmentation; `losses`: mean of each epoch."""

    outputs: npt.NDArray[np.float32]
    train_accuracy: float
    losses: tuple[float, ...]


class Trainer:
    """One architecture with one optimizer, trained again and again from fresh weights."""

    def __init__(self, recipe: Recipe, shape: tuple[int, ...], classes: int) -> None:
        self.shape, self.classes, self.scale = shape, classes, recipe.scale
        self.model = network(recipe, shape, classes, 0)
        self.optimizer = optimizers.make(recipe.optimizer, recipe.learning_rate, recipe.weight_decay)
        self.optimizer.build(self.model.trainable_variables)
        self.at_start = [v.numpy() for v in self.optimizer.variables]
        self.one_hot = LOSSES[recipe.loss]
        self.from_logits = recipe.from_logits
        image, numbers = tf.TensorSpec((None, *shape)), tf.TensorSpec((None,), tf.int32)
        order, rates = tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,))
        # Concrete functions: TensorFlow warns of retracing where many trainers are made.
        self._epoch = tf.function(self._steps, input_signature=[image, numbers, order, rates]).get_concrete_function()
        self._outputs = tf.function(self._predict, input_signature=[image]).get_concrete_function()

    def run(self, recipe: Recipe, train: Images, val: Images, seed: int, epochs: int) -> Outcome:
        """Train with the recipe's learning rate and batch size; the same seed gives the same run on one machine.

        The learning rate is held, then falls to 0 over the last third of the steps, so that the last epoch counts and
        none has to be chosen.
        """
        fresh = network(recipe, self.shape, self.classes, seed)
        for variable, value in zip(self.model.variables, fresh.variables, strict=True):
            variable.assign(value)
        for variable, value in zip(self.optimizer.variables, self.at_start, strict=True):
            variable.assign(value)
        random = np.random.default_rng(seed)
        x, y = self.inputs(train.x), tf.constant(train.y, tf.int32)
        batch = min(recipe.batch_size, len(train))
        steps = len(train) // batch
        left = 1 - np.arange(epochs * steps) / (epochs * steps)
        rates = (recipe.learning_rate * np.minimum(1, left / _DECAYING)).reshape(epochs, steps).astype(np.float32)
        losses = []
        for epoch in range(epochs):
            order = random.permutation(len(train))[: steps * batch].reshape(steps, batch)
            losses.append(float(self._epoch(x, y, tf.constant(order, tf.int32), tf.constant(rates[epoch]))))
            if not np.isfinite(losses[-1]):
                break  # what is no number stays so
        seen = self.outputs(train.x).argmax(axis=1) == train.y
        return Outcome(self.outputs(val.x), float(seen.mean()), tuple(losses))

    def inputs(self, x: npt.NDArray[Any]) -> tf.Tensor:
        """Images as the network gets them."""
        return tf.constant(x.astype(np.float32) * np.float32(self.scale))

    def outputs(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Outputs for images, float32 (n, classes)."""
        parts = [self._outputs(self.inputs(x[i : i + _EVALUATED])).numpy() for i in range(0, len(x), _EVALUATED)]
        return np.concatenate(parts) if parts else np.empty((0, self.classes), np.float32)

    def loss(self, y: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Mean cross-entropy of a batch, with the network's own penalties."""
        if self.one_hot:
            each = keras.losses.categorical_crossentropy(tf.one_hot(y, self.classes), outputs, self.from_logits)
        else:
            each = keras.losses.sparse_categorical_crossentropy(y, outputs, self.from_logits)
        mean = tf.reduce_mean(each)
        return tf.add_n([mean, *self.model.losses]) if self.model.losses else mean

    def _predict(self, x: tf.Tensor) -> tf.Tensor:
        return self.model(x, training=False)

    def _steps(self, x: tf.Tensor, y: tf.Tensor, order: tf.Tensor, rates: tf.Tensor) -> tf.Tensor:
        total = tf.constant(0.0)
        for step in tf.range(tf.shape(order)[0]):
            self.optimizer.learning_rate.assign(rates[step])
            rows = order[step]
            with tf.GradientTape() as tape:
                loss = self.loss(tf.gather(y, rows), self.model(tf.gather(x, rows), training=True))
            variables = self.model.trainable_variables
            self.optimizer.apply(tape.gradient(loss, variables), variables)
            total += loss
        return total / tf.cast(tf.shape(order)[0], tf.float32)
