"""A KerasHub vision backbone as the embedder (``hub:PRESET`` or ``hub:FOLDER``; the extra ``imageclinic[hub]``).

The vector is the class token for DINOv2 (Oquab et al., 2023) and DINOv3 (Siméoni et al., 2025), the image embedding
that is compared with texts for CLIP (Radford et al., 2021), SigLIP (Zhai et al., 2023) and their kind, and the globally
averaged last features for other backbones. Images are scaled by the preset's own image converter.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

import keras
import numpy as np

from imageclinic.core.errors import InputError
from imageclinic.training.embed import hub_preset, inference_engine
from imageclinic.training.embed.embedder import HUB, Embedder, Ready
from imageclinic.training.embed.user_embedder import DEFAULT_SIZE
from imageclinic.training.models import backbones

_CLASS_TOKEN = ("DINOV2Backbone", "DINOV3Backbone")
#: They have `get_vision_embeddings`.
_WITH_TEXT = ("CLIPBackbone", "SigLIPBackbone", "MetaCLIP2Backbone")


def from_hub(name: str) -> Embedder:
    """An embedder from ``hub:`` and a folder that `save_to_preset` wrote, or the name of a preset of KerasHub.

    A folder is read as it is; a preset that is not in KerasHub's cache is downloaded when the embedder is made ready.
    Nothing runs code from either: see `training.embed.hub_preset`.

    Raises:
        InputError: KerasHub is not installed; there is no such folder or image preset; the folder lacks files, is
            damaged, or names code to run. When it is made ready: a download fails, or the weights do not fit.
    """
    if importlib.util.find_spec("keras_hub") is None:
        raise InputError(f"--model {name}: KerasHub is not installed", fix="pip install 'imageclinic[hub]'")
    source = name.removeprefix(HUB)
    folder = Path(source)
    engine = "tensorflow float32" if backbones.has_gpu() else inference_engine.name()
    hub = f"keras-hub {importlib.metadata.version('keras-hub')}"
    if source and folder.is_dir():
        preset = hub_preset.read(folder)
        note = f"KerasHub's {preset.backbone} in {folder}, {_vector(preset.backbone)}"
        version = f"{hub}, {preset.backbone}, config {preset.config_hash}, weights {preset.weights_hash}, {engine}"
        return Embedder(f"{HUB}{folder.resolve().name}", version, note, lambda *_: _ready(preset, engine))
    known = hub_preset.built_in(source)
    note = (
        f"KerasHub's preset {source}, {_vector(known.backbone)}: downloads about {known.megabytes:,} MB of weights "
        f"from {known.handle} unless KerasHub has them in its cache"
    )

    def prepare(*_: Any) -> Ready:
        return _ready(hub_preset.read(hub_preset.download(known)), engine)

    return Embedder(name, f"{hub}, {known.handle}, {engine}", note, prepare)


def _vector(backbone: str) -> str:
    """What the vectors of a backbone of this class are, in words."""
    if backbone in _CLASS_TOKEN:
        return "its class token"
    return "its image embedding" if backbone in _WITH_TEXT else "its features, averaged over the image"


@functools.lru_cache(maxsize=1)
def _ready(preset: hub_preset.Preset, engine: str) -> Ready:
    """The backbone with its weights, ready. It is kept, for it takes seconds; `engine` is what else it depends on."""
    backbone = hub_preset.load_backbone(preset)
    given = _image_input(backbone, preset)
    converter = hub_preset.load_converter(preset)
    height, width, channels = (int(n) if n else None for n in given.shape[1:])
    own = (height, width) if height and width else None
    size = converter.image_size or own or DEFAULT_SIZE
    if own and own != tuple(size):
        raise InputError(
            f"{preset.folder}: images of {size[1]}×{size[0]} pixels from the image converter, where the backbone takes "
            f"{own[1]}×{own[0]}",
            expected="the same size",
            fix="save the folder again with an image converter of the backbone's size",
        )
    images = keras.Input((*size, channels))
    vectors = keras.Model(images, keras.ops.cast(_vectors(backbone, images, preset), "float32"))
    predict = inference_engine.predictor(vectors)
    return Ready(
        lambda batch: predict(np.asarray(converter(batch))),
        vectors.output_shape[-1],
        (int(size[0]), int(size[1])),
        int(channels or 0),
        weights=preset.weights_hash,
    )


def _image_input(backbone: Any, preset: hub_preset.Preset) -> Any:
    """The input that takes images. Raises InputError where there is none, or others must be filled as well."""
    inputs = backbone.input if isinstance(backbone.input, dict) else {"images": backbone.input}
    found = inputs.get("images") if hasattr(backbone, "get_vision_embeddings") else None
    if found is None and len(inputs) == 1:
        found = next(iter(inputs.values()))
    if found is None or len(found.shape) != 4 or found.shape[-1] not in (1, 3):
        shapes = ", ".join(f"{name} {tuple(each.shape)}" for name, each in inputs.items())
        raise InputError(
            f"{preset.folder} holds no image backbone: {preset.backbone} takes {shapes}",
            expected="images, (None, height, width, 1 or 3)",
        )
    return found


def _vectors(backbone: Any, images: Any, preset: hub_preset.Preset) -> Any:
    """From a symbolic batch of images to vectors, (n, width)."""
    if hasattr(backbone, "get_vision_embeddings"):
        return backbone.get_vision_embeddings(images)
    features = backbone({next(iter(backbone.input)): images} if isinstance(backbone.input, dict) else images)
    rank = len(getattr(features, "shape", ()))
    if rank not in (2, 3, 4):
        raise InputError(
            f"{preset.folder}: {preset.backbone} gives {features}",
            expected="one output: vectors, tokens or a map of features",
        )
    if preset.backbone in _CLASS_TOKEN:
        return features[:, 0]
    return features if rank == 2 else keras.ops.mean(features, axis=tuple(range(1, rank - 1)))
