"""Words as vectors beside the images', by the text tower of a KerasHub preset (CLIP, SigLIP, MetaCLIP 2): the cosine of
the two says how well words describe a picture (Radford et al., 2021)."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imageclinic.core.errors import InputError
from imageclinic.training.embed import hub_preset
from imageclinic.training.embed.embedder import HUB

Floats = npt.NDArray[np.float32]

#: Texts that go through the tower at once.
_BATCH = 64


@dataclass(frozen=True)
class TextTower:
    """`read` takes texts, and gives float32 (texts, width), of length 1; longer ones than the tower takes are cut.
    `weights`: the hash of the preset's weights, as in `embedder.EmbedderInfo`."""

    read: Callable[[Sequence[str]], Floats]
    weights: str


def load(model: str) -> TextTower | None:
    """What reads words for an embedder.

    Args:
        model: its name, as for `embed_images.embed`.

    Returns:
        None where it has no text tower, or its folder no tokenizer.

    Raises:
        InputError: there is no such model; its files are damaged, or name code to run.
    """
    if not model.startswith(HUB):
        return None
    source = model.removeprefix(HUB)
    if importlib.util.find_spec("keras_hub") is None:
        raise InputError(f"{model}: KerasHub is not installed", fix="pip install 'imageclinic[hub]'")
    if source and Path(source).is_dir():
        preset = hub_preset.read(Path(source))
    else:
        known = hub_preset.built_in(source)
        if known.backbone not in hub_preset.TOKENIZER_FILES:
            return None
        preset = hub_preset.read(hub_preset.download(known))
    if preset.backbone not in hub_preset.TOKENIZER_FILES or not hub_preset.has_tokenizer(preset):
        return None
    backbone = hub_preset.load_backbone(preset)
    preprocessor = hub_preset.load_preprocessor(preset, int(backbone.text_encoder.max_sequence_length))

    def read(texts: Sequence[str]) -> Floats:
        tokens = _tokens(preset, backbone, preprocessor, texts)
        pieces = [tokens[at : at + _BATCH] for at in range(0, len(tokens), _BATCH)]
        found = np.concatenate([np.asarray(backbone.get_text_embeddings(piece), np.float32) for piece in pieces])
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12))

    return TextTower(read, preset.weights_hash)


def _tokens(preset: hub_preset.Preset, backbone: Any, preprocessor: Any, texts: Sequence[str]) -> npt.NDArray[np.int32]:
    """(texts, length), as the preset's own preprocessor gives them."""
    tokens = np.asarray(preprocessor({"images": None, "prompts": list(texts)})["token_ids"], np.int32)
    least, most = int(tokens.min()), int(tokens.max())
    known = int(backbone.text_encoder.vocabulary_size)
    if least < 0 or most >= known:
        raise InputError(
            f"{preset.folder}: its tokenizer has words that its text tower lacks (number {most} of {known})",
            expected="the tokenizer that belongs to the backbone",
        )
    return tokens
