"""Networks with ImageNet weights: images to their globally averaged last features.

Those of `keras.applications` have their weights in Keras's cache or download them. EfficientNet-Lite's
(`training.models.efficientnet_lite`) come with a package that is a dependency: they are always there.

Keras is loaded where a network is: which there are is known without it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imageclinic.core.errors import InputError
from imageclinic.training import devices
from imageclinic.training.models import efficientnet_lite

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Backbone:
    """A network: its name, the module of `keras.applications` or the package of weights that it comes with, the file of
    its weights without the classifier, and the side in pixels of the images that it gets."""

    name: str
    module: str
    file: str
    side: int = 224
    lite: efficientnet_lite.Variant | None = None
    """The variant of EfficientNet-Lite that it is, when it is none of `keras.applications`."""
    grid: bool = False
    """Whether it gives features of the cells of a grid, too: see `with_grid`."""


_GRID = "_grid"
_KERNELS = "weights_tf_dim_ordering_tf_kernels"
#: In the order in which `auto` prefers those whose weights are there: good features for their cost first.
BACKBONES = {
    b.name.lower(): b
    for b in (
        Backbone("EfficientNetV2S", "efficientnet_v2", "efficientnetv2-s_notop.h5"),
        Backbone("ConvNeXtTiny", "convnext", "convnext_tiny_notop.h5"),
        Backbone("EfficientNetV2B3", "efficientnet_v2", "efficientnetv2-b3_notop.h5"),
        Backbone("ConvNeXtSmall", "convnext", "convnext_small_notop.h5"),
        Backbone("ConvNeXtBase", "convnext", "convnext_base_notop.h5"),
        Backbone("EfficientNetV2B0", "efficientnet_v2", "efficientnetv2-b0_notop.h5"),
        Backbone("ResNet50V2", "resnet_v2", f"resnet50v2_{_KERNELS}_notop.h5"),
        Backbone("Xception", "xception", f"xception_{_KERNELS}_notop.h5", 299),
        Backbone("InceptionV3", "inception_v3", f"inception_v3_{_KERNELS}_notop.h5", 299),
        Backbone("EfficientNetB0", "efficientnet", "efficientnetb0_notop.h5"),
        *(Backbone(v.name, v.package, v.file, v.side, v) for v in efficientnet_lite.VARIANTS),
        Backbone("ResNet50", "resnet", f"resnet50_{_KERNELS}_notop.h5"),
        Backbone("DenseNet121", "densenet", f"densenet121_{_KERNELS}_notop.h5"),
        Backbone("MobileNetV3Large", "mobilenet_v3", "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5"),
        Backbone("MobileNetV2", "mobilenet_v2", f"mobilenet_v2_{_KERNELS}_1.0_224_no_top.h5"),
        Backbone("VGG16", "vgg16", f"vgg16_{_KERNELS}_notop.h5"),
    )
}


def weights_path(backbone: Backbone) -> Path:
    """Where Keras keeps the weights, or their package has them, whether they are there or not."""
    if backbone.lite is not None:
        return efficientnet_lite.weights_path(backbone.lite)
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "models" / backbone.file


def cached() -> Backbone | None:
    """The preferred backbone among those whose weights are on this machine."""
    return next((b for b in BACKBONES.values() if weights_path(b).is_file()), None)


def with_grid(backbone: Backbone) -> Backbone | None:
    """EfficientNet-Lite at `efficientnet_lite.GRID_SIDE` pixels, with its middle stages by the cells of a grid, as
    ``NAME_grid``: for images that are no photographs. None for other networks."""
    if backbone.lite is None:
        return None
    return replace(backbone, name=f"{backbone.name}{_GRID}", side=efficientnet_lite.GRID_SIDE, grid=True)


def named(name: str) -> Backbone | None:
    """The backbone of this name, capitals or not, with or without ``_grid``; None where there is none."""
    found = BACKBONES.get(name.lower().removesuffix(_GRID))
    return with_grid(found) if found is not None and name.lower().endswith(_GRID) else found


def download_megabytes(backbone: Backbone) -> int:
    """About how much a download of the weights takes: four bytes a parameter."""
    parameters: int = build(backbone, None).count_params()
    return round(parameters * 4 / 1e6)


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    return devices.has_gpu()


def precision() -> str:
    """Keras's dtype policy for networks: float16 products on a GPU, where they are several times faster."""
    return "mixed_float16" if has_gpu() else "float32"


def load(
    backbone: Backbone,
    *,
    side: int | None = None,
    weights: Path | None = None,
    download: bool = True,
    several_depths: bool = False,
) -> keras.Model:
    """The network with its weights: from Keras's cache without asking the internet, else downloaded. On a GPU it
    works in mixed precision; its weights are float32 all the same.

    Args:
        backbone: which.
        side: of the images, in pixels; None: the backbone's own.
        weights: a file of its weights without the classifier; None: Keras's cache.
        download: whether to download weights that are not there.
        several_depths: whether EfficientNet-Lite gives features of its last stages, too, and of its grid where the
            backbone has one (`efficientnet_lite.at_several_depths`).

    Returns:
        A model from RGB images in [0, 255], (n, side, side, 3), to float32 features (n, width). One of its layers is
        the network, itself a model.

    Raises:
        InputError: when the weights don't fit, are not there, or can't be downloaded, or `side` is too small.
    """
    import keras

    path = weights or weights_path(backbone)
    if backbone.lite is not None and weights is None:
        network = build(backbone, None, side)
        efficientnet_lite.load(network, backbone.lite)
        if several_depths:
            network = efficientnet_lite.at_several_depths(network, backbone.lite, grid=backbone.grid)
    elif path.is_file():
        network = build(backbone, None, side)
        try:
            network.load_weights(path)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{path} does not hold the weights of {backbone.name}: {str(error).strip().partition(chr(10))[0]}",
                expected="the weights of the network without its classifier (include_top=False)",
                fix="give another file with --weights"
                if weights is not None
                else "delete it and download it again, or choose another --model",
            ) from error
    elif not download or weights is not None:
        raise InputError(
            f"the weights of {backbone.name} are not on this machine: there is no {path}",
            expected="a file that Keras downloaded, or that save_weights wrote",
            fix=f"where there is internet, keras.applications.{backbone.name}(include_top=False) puts it there; bring "
            "it here, or give its path with --weights. --model residual needs no weights",
        )
    else:
        try:
            network = build(backbone, "imagenet", side)
        except Exception as error:  # Keras raises a bare Exception when a download fails
            raise InputError(
                f"the weights of {backbone.name} can't be downloaded: {error}",
                fix=f"bring the file from another machine to {path}, or use --model patches, which needs none",
            ) from error
    images = keras.Input(network.input_shape[1:])
    preprocess = (
        efficientnet_lite.preprocess
        if backbone.lite is not None
        else getattr(keras.applications, backbone.module).preprocess_input
    )
    return keras.Model(images, keras.ops.cast(network(preprocess(images)), "float32"))


def build(backbone: Backbone, weights: str | None, side: int | None = None) -> keras.Model:
    """The bare network, whose inputs still need its `preprocess_input`: with fresh weights (None) or with those of
    ``imagenet``, which Keras downloads where its cache lacks them.

    Raises:
        InputError: when `side` is too small for it.
    """
    pixels = side or backbone.side
    if backbone.lite is not None:
        with working_in(precision()):
            return efficientnet_lite.build(backbone.lite, pixels)
    import keras

    application = getattr(keras.applications, backbone.name)
    with working_in(precision()):
        try:
            return application(include_top=False, weights=weights, input_shape=(pixels, pixels, 3), pooling="avg")
        except ValueError as error:
            if side is None:
                raise
            raise InputError(
                f"{backbone.name} can't take images of {side}×{side} pixels",
                expected=f"larger ones; its own size is {backbone.side}",
                fix="leave --size out",
            ) from error


@contextlib.contextmanager
def working_in(policy: str) -> Iterator[None]:
    """Layers that are made within get Keras's dtype policy `policy`."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
