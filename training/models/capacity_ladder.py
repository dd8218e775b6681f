"""The capacity ladder: models of growing size. The first rungs (`training.models.rungs`) are trained from scratch;
above them stand networks with weights that were learnt elsewhere (`training.models.pretrained`).

What each costs is in `row`, and in the table in docs/training.md, which is made of it. Convolutional rungs end in
global average pooling: they take any image size from 8 pixels up, and their cost grows with the area.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras

from imageclinic.core.errors import InputError
from imageclinic.training.models import augmentation, backbones, pretrained
from imageclinic.training.models.rungs import LADDER

_L = keras.layers


def build(
    rung: str,
    input_shape: Sequence[int],
    classes: int,
    *,
    dropout: float = 0.2,
    l1: float = 0.0,
    l2: float = 0.0,
    augment: str = "none",
    mirror: bool = False,
    unfreeze: int = 0,
    weights: Path | None = None,
    seed: int = 0,
) -> keras.Model:
    """A model from the ladder, not compiled: with fresh weights, but for those of a pretrained network.
    (Weight decay is the optimizer's: see `training.fit.fit_model.fit`.)

    Args:
        rung: a name in `training.models.rungs.LADDER`, or a pretrained network: see `training.models.pretrained`.
        input_shape: (height, width, channels) for images as floats or bytes in [0, 255], rescaled inside; or
            (features,) for vectors, taken as they are (``linear`` only).
        classes: number of classes, at least 2.
        dropout: share of the last features dropped in training, in [0, 1).
        l1: strength of the L1 penalty on kernels (of a pretrained network: the classifier's), at least 0.
        l2: strength of the L2 penalty on kernels, likewise.
        augment: strength of augmentation, a name in `training.models.augmentation.STRENGTHS`; images only.
        mirror: whether augmentation may mirror left and right.
        unfreeze: last stages of a pretrained network that are trained as well; the others keep their weights.
        weights: the file of a pretrained network's weights; None: Keras's cache.
        seed: of the initial weights. Sets the global seeds of Python, NumPy and TensorFlow.

    Returns:
        A model from (n, *input_shape) to probabilities (n, classes).

    Raises:
        InputError: for an unknown rung (lists the ladder), a shape or number that it can't take, or weights that are
            not there.
    """
    shape = tuple(int(side) for side in input_shape)
    _check(rung, shape, classes, dropout, l1, l2)
    if rung in LADDER and (unfreeze or weights is not None):
        raise InputError(
            f"weights or stages to unfreeze with the model {rung}, which is trained from scratch",
            expected=f"{pretrained.AUTO}, or one of {', '.join(backbones.BACKBONES)}",
        )
    keras.utils.set_random_seed(seed)
    regularizer = keras.regularizers.L1L2(l1, l2) if l1 or l2 else None
    inputs = keras.Input(shape)
    features = inputs
    if len(shape) == 3:
        for layer in augmentation.layers(augment, mirror=mirror):
            features = layer(features)
    if rung in LADDER:
        if len(shape) == 3:
            features = _L.Rescaling(1 / 127.5, offset=-1.0)(features)
        features = LADDER[rung].features(features, regularizer)
    else:
        features = pretrained.features(features, pretrained.find(rung), unfreeze=unfreeze, weights=weights)
    if dropout:
        features = _L.Dropout(dropout)(features)
    head = _L.Dense(classes, activation="softmax", dtype="float32", kernel_regularizer=regularizer)
    return keras.Model(inputs, head(features), name=rung)


def multiply_adds(model: keras.Model) -> int:
    """Multiplications (with an addition each) of convolutions and dense layers for one image, forward."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += multiply_adds(layer)
        kernels = [getattr(layer, name, None) for name in ("kernel", "depthwise_kernel", "pointwise_kernel")]
        used = [kernel for kernel in kernels if kernel is not None]
        if not used:
            continue
        positions = 1
        for side in layer.output.shape[1:-1]:
            positions *= side
        total += positions * sum(int(kernel.shape.num_elements()) for kernel in used)
    return total


def row(rung: str) -> str:
    """A rung's row in the documentation's table: name, what it is, parameters, multiply-adds an image."""
    network = build(rung, (512,) if LADDER[rung].takes_vectors else (32, 32, 3), 10)
    return f"| `{rung}` | {LADDER[rung].what} | {network.count_params():,} | {multiply_adds(network):,} |"


def is_rung(name: str) -> bool:
    """Whether `build` knows a model of this name."""
    return name in LADDER or pretrained.is_one(name)


def _check(rung: str, shape: tuple[int, ...], classes: int, dropout: float, l1: float, l2: float) -> None:
    if not is_rung(rung):
        raise InputError(
            f"unknown model {rung!r}",
            expected=f"one of {', '.join(LADDER)}, {pretrained.AUTO}, {', '.join(backbones.BACKBONES)}",
        )
    if classes < 2:
        raise InputError(f"{classes} class to tell apart", expected="at least 2")
    images = len(shape) == 3 and min(shape[:2]) >= 8 and shape[2] >= 1
    vectors = len(shape) == 1 and shape[0] >= 1 and rung in LADDER and LADDER[rung].takes_vectors
    if not (images or vectors) or (rung not in LADDER and shape[-1] != 3):
        raise InputError(
            f"model {rung} can't take inputs of shape {shape}",
            expected="(height, width, channels) of at least 8×8 pixels, or (features,) for "
            f"{', '.join(name for name, known in LADDER.items() if known.takes_vectors)}; pretrained networks take 3 "
            "channels",
        )
    if not 0 <= dropout < 1 or l1 < 0 or l2 < 0:
        raise InputError(
            f"dropout {dropout}, L1 {l1}, L2 {l2}",
            expected="dropout from 0 to below 1, penalties of at least 0",
        )
