"""The upper rungs of the ladder: networks of `keras.applications` with weights that were learnt elsewhere.

A rung is the name of a network in `training.models.backbones.BACKBONES`, or ``pretrained``: the preferred one of those
whose weights lie in Keras's cache. Nothing is ever downloaded here. All stages are frozen (only the classifier is
trained), or the last few are trained as well. A stage is the layers that work at one resolution: the last ones'
features are the most particular to what they were learnt for (Yosinski et al., "How transferable are features in deep
neural networks?", 2014). Batch normalisation stays frozen in either case: the statistics of small batches would ruin
what the weights rely on.
"""

from __future__ import annotations

from pathlib import Path

import keras

from imageclinic.core.errors import InputError
from imageclinic.training.models import backbones
from imageclinic.training.models.backbones import BACKBONES, Backbone

AUTO = "pretrained"
# A convolution without padding cuts off a few pixels; a new stage halves the side.
_HALVED = 0.6


def is_one(name: str) -> bool:
    """Whether `name` is a rung of this kind."""
    return name == AUTO or name.lower() in BACKBONES


def find(name: str) -> Backbone:
    """The network that a rung names.

    Raises:
        InputError: ``pretrained`` where no weights are cached.
    """
    if name != AUTO:
        return BACKBONES[name.lower()]
    found = backbones.cached()
    if found is None:
        first = next(iter(BACKBONES.values()))
        raise InputError(
            f"there are no pretrained weights in {backbones.weights_path(first).parent}",
            expected=f"the weights of one of {', '.join(b.name for b in BACKBONES.values())}",
            fix=f"where there is internet, keras.applications.{first.name}(include_top=False) downloads them: bring "
            "the file here, or name the network and give --weights FILE. --model residual needs no weights",
        )
    return found


def features(
    images: keras.KerasTensor, backbone: Backbone, *, unfreeze: int = 0, weights: Path | None = None
) -> keras.KerasTensor:
    """Features, float32 (n, width), of square RGB images in [0, 255].

    Args:
        images: (n, side, side, 3).
        backbone: the network.
        unfreeze: how many of its last stages are trained.
        weights: the file of its weights; None: Keras's cache.

    Raises:
        InputError: weights that are not there or don't fit, images that it can't take, more stages than it has.
    """
    model = backbones.load(backbone, side=images.shape[1], weights=weights, download=False)
    network = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    found = stages(network)
    if not 0 <= unfreeze <= len(found):
        raise InputError(f"{unfreeze} stages of {backbone.name} to train", expected=f"0 to {len(found)}")
    trained = {id(layer) for stage in found[len(found) - unfreeze :] for layer in stage}
    for layer in network.layers:
        layer.trainable = id(layer) in trained and not isinstance(layer, keras.layers.BatchNormalization)
        if id(layer) not in trained:
            _steady(layer)
    return model(images)


def _steady(layer: keras.Layer) -> None:
    """No dropout or skipped blocks in what is frozen: its features are those of a network in use. (Keras 3.15 forgets a
    call's ``training=False`` when the model around it is trained.)"""
    for name in ("rate", "drop_path_rate"):
        if hasattr(layer, name):
            setattr(layer, name, 0.0)
    for part in getattr(layer, "layers", []):
        _steady(part)


def stages(network: keras.Model) -> list[list[keras.Layer]]:
    """The layers of a network by the resolution that they work at, from the first to the last; the first stage is the
    first that is smaller than the images."""
    found: list[list[keras.Layer]] = [[]]
    side = network.input_shape[1]
    for layer in network.layers:
        shape = layer.output.shape
        if len(shape) == 4 and 1 < shape[1] <= _HALVED * side:
            side = shape[1]
            found.append([])
        found[-1].append(layer)
    return [found[0] + found[1], *found[2:]] if len(found) > 1 else found


def row(name: str) -> str:
    """A network's row in the documentation's table: name, side of its images, stages, parameters and multiply-adds."""
    from imageclinic.training.models.capacity_ladder import multiply_adds

    backbone = BACKBONES[name]
    network = backbones.build(backbone, None)
    return (
        f"| `{name}` | {backbone.side} | {len(stages(network))} | {network.count_params():,} | "
        f"{multiply_adds(network):,} |"
    )
