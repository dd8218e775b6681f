"""A user's own classifier: the architecture of a ``.keras`` file, trained again from fresh weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from imageclinic.core.errors import InputError
from imageclinic.core.reading.hashing import file_version
from imageclinic.training.embed import user_embedder


@dataclass(frozen=True)
class OwnNetwork:
    """A classifier to be trained from fresh weights. `side` and `channels` are those of the images that it
    takes; `version` names the file's content."""

    model: keras.Model
    side: tuple[int, int]
    channels: int
    version: str

    def build(self, seed: int) -> keras.Model:
        """The architecture with fresh weights. The file's own are not used: they may have seen the test images, and
        the same start for all seeds would hide how far two runs lie apart. Sets the global seeds."""
        keras.utils.set_random_seed(seed)
        return keras.models.clone_model(self.model)


def load(path: Path, classes: int, size: int) -> OwnNetwork:
    """Read a classifier from a file that Keras saved, in safe mode: no code from the file is run.

    Args:
        path: a ``.keras`` file: one input, images of 1 or 3 channels in [0, 255]; outputs class probabilities.
        classes: how many classes it has to tell apart.
        size: side in pixels of the images, where the model does not say.

    Raises:
        InputError: when the file can't be loaded or wants to run code, or its input or output does not fit.
    """
    model = user_embedder.load(path, "rebuild the model from Keras's own layers")
    height, width, channels = user_embedder.input_shape(model, path)
    side = (height or size, width or size)
    if len(model.outputs) != 1 or model.output_shape[1:] != (classes,):
        raise InputError(
            f"the outputs of {path} have the shapes {[tuple(o.shape) for o in model.outputs]}",
            expected=f"one output, the probabilities of the {classes} classes: (None, {classes})",
            fix=f"end the model in keras.layers.Dense({classes}, activation='softmax')",
        )
    images = np.random.default_rng(0).uniform(0, 255, (4, *side, channels)).astype(np.float32)
    rows = np.asarray(model(images, training=False), np.float64)
    if rows.min() < 0 or not np.allclose(rows.sum(axis=1), 1, atol=1e-2):
        raise InputError(
            f"{path} gives {np.round(rows[0], 3).tolist()[:5]}, which are no probabilities",
            expected="outputs from 0 to 1 that sum to 1",
            fix="end the model in a softmax",
        )
    return OwnNetwork(model, side, channels, file_version(path))
