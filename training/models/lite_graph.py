"""EfficientNet-Lite as a graph of OpenVINO's, made from its weights without Keras and TensorFlow, whose import takes
longer than a few hundred photographs take in the network.

The same network as `training.models.efficientnet_lite` builds, with features of several depths. Batch normalisation
is part of the convolution before it: in use it is a product and a sum for each channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from imageclinic.training.models import efficientnet_lite
from imageclinic.training.models.efficientnet_lite import Variant

State = Mapping[str, npt.NDArray[Any]]


def build(variant: Variant, side: int, *, grid: bool = False) -> Any:
    """The network with its weights.

    Args:
        variant: its size.
        side: of the images, in pixels.
        grid: see `efficientnet_lite.at_several_depths`.

    Returns:
        An `openvino.Model` from one RGB image, uint8 (1, side, side, 3), to float32 features (1, width): those of
        `efficientnet_lite.at_several_depths`, within rounding.

    Raises:
        InputError: when the package of the weights is not installed, or its file is not the one that it must be.
    """
    import openvino
    from openvino import opset13 as ops

    state = efficientnet_lite.read_weights(variant)
    images = ops.parameter([1, side, side, 3], np.uint8, name="images")
    prepared = (ops.convert(images, "f32") - _number(efficientnet_lite.MIDDLE)) / _number(efficientnet_lite.SPREAD)
    tensor = ops.transpose(prepared, np.array([0, 3, 1, 2]))
    tensor = _relu6(_convolved(tensor, state, "_conv_stem", "_bn0", stride=2))
    number, ends = 0, []
    for blocks, _, first_stride, expansion, _ in efficientnet_lite.stages(variant):
        for block in range(blocks):
            name, before = f"_blocks.{number}", tensor
            stride = first_stride if block == 0 else 1
            if expansion > 1:
                tensor = _relu6(_convolved(tensor, state, f"{name}._expand_conv", f"{name}._bn0"))
            tensor = _relu6(_convolved(tensor, state, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride))
            tensor = _convolved(tensor, state, f"{name}._project_conv", f"{name}._bn2")
            if stride == 1 and before.get_output_shape(0) == tensor.get_output_shape(0):
                tensor = ops.add(tensor, before)
            number += 1
        ends.append(tensor)
    found = [_averages(_relu6(_convolved(tensor, state, "_conv_head", "_bn1")))]
    found += [_averages(ends[stage]) / _number(scale) for stage, scale in efficientnet_lite.DEPTHS.items()]
    for stage, scale in efficientnet_lite.GRID.items() if grid else ():
        found.append(_cells(ends[stage]) / _number(scale))
    return openvino.Model([ops.concat(found, 1)], [images], variant.name)


def _convolved(tensor: Any, state: State, convolution: str, norm: str, *, stride: int = 1) -> Any:
    """A convolution, which is one for each channel where its kernels take one, and the normalisation behind it."""
    from openvino import opset13 as ops

    kernel = state[f"{convolution}.weight"].astype(np.float64)
    weight, bias, mean, variance = (state[f"{norm}.{end}"].astype(np.float64) for end in efficientnet_lite.BATCH_NORM)
    factor = weight / np.sqrt(variance + efficientnet_lite.EPSILON)
    kernel = (kernel * factor[:, None, None, None]).astype(np.float32)
    shift = (bias - mean * factor).astype(np.float32)[None, :, None, None]
    strides, none, same = [stride, stride], [0, 0], "same_upper"
    if kernel.shape[1] == 1:
        made = ops.group_convolution(tensor, kernel[:, None], strides, none, none, [1, 1], same)
    else:
        made = ops.convolution(tensor, kernel, strides, none, none, [1, 1], same)
    return ops.add(made, shift)


def _relu6(tensor: Any) -> Any:
    from openvino import opset13 as ops

    return ops.clamp(tensor, 0.0, 6.0)


def _averages(tensor: Any) -> Any:
    """(1, channels): over the positions."""
    from openvino import opset13 as ops

    return ops.reduce_mean(tensor, np.array([2, 3]), False)


def _cells(tensor: Any) -> Any:
    """(1, cells · channels): over the cells of a grid, row by row."""
    from openvino import opset13 as ops

    step, size = efficientnet_lite.cells(tensor.get_output_shape(0)[2])
    pooled = ops.avg_pool(tensor, [step, step], [0, 0], [0, 0], [size, size], True)
    return ops.reshape(ops.transpose(pooled, np.array([0, 2, 3, 1])), np.array([1, -1]), False)


def _number(value: float) -> Any:
    from openvino import opset13 as ops

    return ops.constant(np.array(value, np.float32))
