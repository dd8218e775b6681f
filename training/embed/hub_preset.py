"""KerasHub's presets: a folder with a backbone's configuration, its image converter and its weights.

A configuration names the classes to build. KerasHub builds them by Keras's `deserialize_keras_object` in Keras's safe
mode, which a program can switch off for all; so what names a Lambda, a wrapped foreign model or a class from another
package is refused here, before anything is built.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imageclinic.core.errors import InputError
from imageclinic.core.reading.hashing import file_sha256, text_digest
from imageclinic.training.models import saved_model_size

_CONFIG, _CONVERTER, _WEIGHTS = "config.json", "image_converter.json", "model.weights.h5"
_TOKENIZER, _ASSETS = "tokenizer.json", "assets/tokenizer"
#: Backbones with a text tower, and the files of their tokenizers.
TOKENIZER_FILES = {
    "CLIPBackbone": ("vocabulary.json", "merges.txt"),
    "SigLIPBackbone": ("vocabulary.spm",),
    "MetaCLIP2Backbone": ("vocabulary.spm",),
}
#: KerasHub shares weights of more than 10 GB out among files.
_WEIGHT_FILES = ("model.weights.h5", "model_*.weights.h5")
_PACKAGES = ("keras", "keras_hub", "keras_nlp", "builtins")
_RUN_CODE = ("__lambda__", "Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
_SAVE = (
    "write it again with save_to_preset, of the backbone and of its image converter (keras_hub.layers.ImageConverter)"
)


@dataclass(frozen=True)
class Preset:
    """A folder whose configuration was checked. The hashes are the first 12 digits of SHA-256."""

    folder: Path
    backbone: str
    """The name of its class."""
    config_hash: str
    """Of what builds the backbone and the image converter."""
    weights_hash: str


@dataclass(frozen=True)
class BuiltIn:
    """A preset that KerasHub knows by name; `handle` names its version at Kaggle."""

    name: str
    handle: str
    backbone: str
    megabytes: int


def read(folder: Path) -> Preset:
    """Read and check what a folder says, and hash its weights; nothing is built.

    Raises:
        InputError: a file is missing or damaged; the folder holds no KerasHub backbone with an image converter; it
            names code to run.
    """
    config = _read_json(folder / _CONFIG)
    backbone = str(config.get("class_name", ""))
    if not str(config.get("registered_name")).startswith(("keras_hub>", "keras_nlp>")):
        raise InputError(f"{folder / _CONFIG} describes no backbone of KerasHub", fix=_SAVE)
    if not (folder / _CONVERTER).is_file():
        raise InputError(
            f"{folder} holds a {backbone} without an image converter: there is no {_CONVERTER}",
            expected="a backbone for images, and how its images are scaled",
            fix=_SAVE,
        )
    converter = _read_json(folder / _CONVERTER)
    _refuse_code(config, folder / _CONFIG)
    _refuse_code(converter, folder / _CONVERTER)
    weights = _weights(folder)
    if not weights:
        raise InputError(f"{folder} has no weights: there is no {_WEIGHTS}", fix=_SAVE)
    saved_model_size.check_preset(folder, config, weights)
    built_from = json.dumps([config, converter], sort_keys=True)
    hashes = [file_sha256(file) for file in weights]
    return Preset(
        folder.resolve(),
        backbone,
        text_digest(built_from, 12),
        (hashes[0] if len(hashes) == 1 else text_digest(" ".join(hashes)))[:12],
    )


def built_in(name: str) -> BuiltIn:
    """The image preset that KerasHub knows by `name`. Raises InputError when there is none."""
    import keras_hub

    found = keras_hub.layers.ImageConverter.presets.get(name)
    if found is None:
        raise InputError(
            f"there is no folder {name!r}, and KerasHub has no preset of that name for images",
            expected="a folder that save_to_preset wrote, or a preset such as dinov2_small, clip_vit_base_patch32 or "
            "siglip_base_patch16_224",
            fix="see keras_hub.layers.ImageConverter.presets for all names",
        )
    named = {cls: getattr(keras_hub.models, cls) for cls in dir(keras_hub.models) if cls.endswith("Backbone")}
    backbone = next((cls for cls, made in named.items() if cls != "Backbone" and name in made.presets), "Backbone")
    return BuiltIn(name, found["kaggle_handle"], backbone, round(found["metadata"]["params"] * 4 / 1e6))


def download(preset: BuiltIn) -> Path:
    """The folder of a preset in KerasHub's cache (kagglehub's), with what is needed of it.

    Raises:
        InputError: it can't be downloaded; says what to bring.
    """
    import kagglehub

    handle = preset.handle.removeprefix("kaggle://")
    try:
        files = [Path(kagglehub.model_download(handle, name)) for name in (_CONFIG, _CONVERTER, _WEIGHTS)]
        for name in TOKENIZER_FILES.get(preset.backbone, ()):
            kagglehub.model_download(handle, f"{_ASSETS}/{name}")
        if preset.backbone in TOKENIZER_FILES:
            kagglehub.model_download(handle, _TOKENIZER)
    except Exception as error:  # of the network, of Kaggle, of the disk: many kinds
        reason = str(error).strip().partition("\n")[0].partition(" (Caused by")[0]
        raise InputError(
            f"KerasHub's preset {preset.name} can't be downloaded from {preset.handle}: {reason}",
            expected=f"the internet, or the preset as a folder with {_CONFIG}, {_CONVERTER} and {_WEIGHTS}",
            fix=f"where there is internet, write it by keras_hub.models.Backbone.from_preset({preset.name!r})"
            f".save_to_preset('FOLDER') and keras_hub.layers.ImageConverter.from_preset({preset.name!r})"
            ".save_to_preset('FOLDER'), bring it here, and give --model hub:FOLDER",
        ) from error
    return files[0].parent


def load_backbone(preset: Preset) -> Any:
    """The backbone with its weights, in float32.

    Raises:
        InputError: the weights are damaged or do not fit, or KerasHub can't build it.
    """
    import keras_hub

    with _loading(preset, preset.backbone):
        return keras_hub.models.Backbone.from_preset(str(preset.folder), dtype="float32")


def load_converter(preset: Preset) -> Any:
    """The image converter: float32 images in [0, 255], (n, height, width, channels), to what the backbone takes.

    Raises:
        InputError: it is damaged, or of another backbone.
    """
    import keras_hub

    with _loading(preset, "image converter"):
        return keras_hub.layers.ImageConverter.from_preset(str(preset.folder))


def has_tokenizer(preset: Preset) -> bool:
    """Whether a folder also says how words become numbers."""
    files = (preset.folder / _ASSETS / name for name in TOKENIZER_FILES[preset.backbone])
    return (preset.folder / _TOKENIZER).is_file() and all(file.is_file() for file in files)


def load_preprocessor(preset: Preset, length: int) -> Any:
    """What turns texts into at most `length` token ids, in the way of the backbone's kind (case, punctuation, padding).

    Raises:
        InputError: the tokenizer is damaged, names code to run, or is of another backbone.
    """
    import keras_hub

    _refuse_code(_read_json(preset.folder / _TOKENIZER), preset.folder / _TOKENIZER)
    with _loading(preset, "tokenizer"):
        kind = getattr(keras_hub.models, preset.backbone.removesuffix("Backbone") + "Preprocessor")
        tokenizer = kind.tokenizer_cls.from_preset(str(preset.folder))
        return kind(tokenizer=tokenizer, sequence_length=length)


@contextlib.contextmanager
def _loading(preset: Preset, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # Keras and KerasHub raise many kinds, depending on what is wrong with the files
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"the {what} in {preset.folder} can't be loaded: {reason}",
            expected="a folder that KerasHub's save_to_preset wrote",
            fix=_SAVE,
        ) from error


def _weights(folder: Path) -> list[Path]:
    return sorted(file for pattern in _WEIGHT_FILES for file in folder.glob(pattern))


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise InputError(f"there is no {file}", expected="a folder that KerasHub's save_to_preset wrote", fix=_SAVE)
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} can't be read: {error}", expected="a preset's configuration", fix=_SAVE) from error
    if not isinstance(found, dict):
        raise InputError(f"{file} describes nothing to build", expected="a preset's configuration", fix=_SAVE)
    return found


def _refuse_code(config: dict[str, Any], file: Path) -> None:
    for part in _described(config):
        name, module = str(part["class_name"]), str(part.get("module") or "keras")
        if name in _RUN_CODE or module.partition(".")[0] not in _PACKAGES:
            raise InputError(
                f"{file} names {module}.{name}, which may run code; it was not run",
                expected="classes of Keras and KerasHub alone",
                fix="use a preset without it",
            )


def _described(part: Any) -> Iterator[dict[str, Any]]:
    """All objects that a configuration describes, at any depth."""
    if isinstance(part, dict):
        if "class_name" in part:
            yield part
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _described(each)
