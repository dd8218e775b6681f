"""Words as vectors, by real presets of tiny random networks."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
import pytest
import sentencepiece
from PIL import Image

import imageclinic
from imageclinic.core.errors import InputError
from imageclinic.training.embed import text_tower
from imageclinic.workflows.steps.reviewing import word_search

# KerasHub leaves a tokenizer's file open.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

LAYERS, MODELS = keras_hub.layers, keras_hub.models
TOWER = {"hidden_dim": 8, "num_layers": 1, "num_heads": 2, "intermediate_dim": 16}
VISION = {"patch_size": 8, "image_shape": (16, 16, 3), **TOWER}
TEXT = {"vocabulary_size": 64, "embedding_dim": 8, "max_sequence_length": 32, **TOWER}
SENTENCES = ("a photo of a cat", "a photo of a dog")


def clip() -> tuple[Any, Any]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{c}</w>" for c in letters), "ca", "cat</w>", "<|startoftext|>", "<|endoftext|>"]
    tokenizer = MODELS.CLIPTokenizer({word: n for n, word in enumerate(words)}, merges=["c a", "ca t</w>"])
    backbone = MODELS.CLIPBackbone(MODELS.CLIPVisionEncoder(**VISION), MODELS.CLIPTextEncoder(**TEXT), 6)
    return backbone, MODELS.CLIPPreprocessor(tokenizer, LAYERS.CLIPImageConverter((16, 16)), sequence_length=32)


def siglip() -> tuple[Any, Any]:
    proto = io.BytesIO()
    pieces = {"unk_piece": "<unk>", "eos_piece": "</s>", "pad_piece": "<pad>", "unk_id": 0, "pad_id": 3}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_writer=proto, vocab_size=9, model_type="WORD", **pieces
    )
    tokenizer = MODELS.SigLIPTokenizer(proto.getvalue())
    backbone = MODELS.SigLIPBackbone(MODELS.SigLIPVisionEncoder(**VISION), MODELS.SigLIPTextEncoder(**TEXT))
    return backbone, MODELS.SigLIPPreprocessor(tokenizer, LAYERS.SigLIPImageConverter((16, 16)), sequence_length=32)


@pytest.fixture(scope="module", params=[clip, siglip], ids=["clip", "siglip"])
def preset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    keras.utils.set_random_seed(2)
    folder = tmp_path_factory.mktemp("presets") / request.param.__name__
    backbone, preprocessor = request.param()
    backbone.save_to_preset(str(folder))
    preprocessor.save_to_preset(str(folder))
    return folder, backbone, preprocessor


def test_vectors_are_those_of_the_text_tower(preset: tuple[Path, Any, Any]) -> None:
    folder, backbone, preprocessor = preset
    tower = text_tower.load(f"hub:{folder}")
    assert tower is not None
    found = tower.read([*SENTENCES, SENTENCES[1].upper()])
    tokens = preprocessor({"images": np.zeros((2, 16, 16, 3)), "prompts": list(SENTENCES)})["token_ids"]
    direct = np.asarray(backbone.get_text_embeddings(tokens))
    np.testing.assert_allclose(found[:2], direct / np.linalg.norm(direct, axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(found[2], found[1], atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_an_audit_asks_the_class_names(preset: tuple[Path, Any, Any], tmp_path: Path) -> None:
    for n in range(40):
        (tmp_path / "data" / ("cat", "dog")[n % 2]).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(n).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / ("cat", "dog")[n % 2] / f"{n}.png")
    found = imageclinic.audit(tmp_path / "data", tmp_path / "run", model=f"hub:{preset[0]}", checks=["mislabeled"])
    assert any("class names" in note for note in found.run.info()["predictions"]["notes"])
    described = word_search.searcher(found.run)
    first, second = described("a photo of a cat"), described("a photo of a dog")
    images = found.run.read_embeddings()
    tower = text_tower.load(f"hub:{preset[0]}")
    assert tower is not None
    unit = images.alike / np.linalg.norm(images.alike, axis=1, keepdims=True)
    best = np.argsort(-(unit @ tower.read(["a photo of a cat"])[0]), kind="stable")
    assert first == images.image_id.iloc[best].tolist()[: word_search.MOST]
    assert sorted(first) == sorted(second) == sorted(images.image_id)
    assert first != second
    answers = io.StringIO()
    word_search.answer(found.run.path, io.StringIO('"a photo of a cat"\n"a photo of a dog"\n'), answers)
    assert [json.loads(line)["images"] for line in answers.getvalue().splitlines()] == [first, second]


def test_no_tower_no_vectors_and_code_is_refused(preset: tuple[Path, Any, Any], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    for file in preset[0].rglob("*"):
        if file.is_file():
            (folder / file.relative_to(preset[0])).parent.mkdir(parents=True, exist_ok=True)
            (folder / file.relative_to(preset[0])).write_bytes(file.read_bytes())
    config = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**config, "module": "os", "class_name": "system"}))
    with pytest.raises(InputError, match="may run code"):
        text_tower.load(f"hub:{folder}")
    (folder / "tokenizer.json").unlink()
    assert text_tower.load(f"hub:{folder}") is None
    assert text_tower.load("efficientnet_lite2") is None
