"""KerasHub's backbones as embedders, by real presets of tiny random networks."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
import pytest
from PIL import Image

from imageclinic.core.errors import InputError
from imageclinic.core.reading.hashing import file_version
from imageclinic.training.embed import embed_images, hub_embedder, inference_engine

pytestmark = pytest.mark.slow

LAYERS, MODELS = keras_hub.layers, keras_hub.models
SHAPE = (16, 16, 3)
TOWER = {"hidden_dim": 8, "num_layers": 1, "num_heads": 2, "intermediate_dim": 16}
VISION = {"patch_size": 8, "image_shape": SHAPE, **TOWER}
TEXT = {"vocabulary_size": 32, "embedding_dim": 8, "max_sequence_length": 8, **TOWER}
SCALING: dict[str, Any] = {"scale": [0.02, 0.03, 0.04], "offset": [-2.0, -1.5, -1.0]}

#: Kind → a tiny backbone, its image converter, and vectors from the whole model's outputs or towers.
KINDS: dict[str, tuple[Callable[[], Any], Any, Callable[[Any, Any], Any], int, str]] = {
    "dinov2": (
        lambda: MODELS.DINOV2Backbone(position_embedding_shape=SHAPE, num_register_tokens=1, **VISION),
        LAYERS.DINOV2ImageConverter,
        lambda backbone, x: backbone.predict_on_batch({"images": x})[:, 0],
        8,
        "class token",
    ),
    "dinov3": (
        lambda: MODELS.DINOV3Backbone(**VISION),
        LAYERS.DINOV3ImageConverter,
        lambda backbone, x: backbone.predict_on_batch({"pixel_values": x})[:, 0],
        8,
        "class token",
    ),
    "clip": (
        lambda: MODELS.CLIPBackbone(MODELS.CLIPVisionEncoder(**VISION), MODELS.CLIPTextEncoder(**TEXT), 6),
        LAYERS.CLIPImageConverter,
        lambda backbone, x: np.asarray(backbone.get_vision_embeddings(x)),
        6,
        "image embedding",
    ),
    "siglip": (
        lambda: MODELS.SigLIPBackbone(MODELS.SigLIPVisionEncoder(**VISION), MODELS.SigLIPTextEncoder(**TEXT)),
        LAYERS.SigLIPImageConverter,
        lambda backbone, x: np.asarray(backbone.get_vision_embeddings(x)),
        8,
        "image embedding",
    ),
    "vgg": (
        lambda: MODELS.VGGBackbone(
            stackwise_num_repeats=[1, 1], stackwise_num_filters=[4, 5], image_shape=(None, None, 3)
        ),
        LAYERS.VGGImageConverter,
        lambda backbone, x: backbone.predict_on_batch(x).mean((1, 2)),
        5,
        "averaged",
    ),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Any]]:
    """The folder of a preset of each kind, and the backbone that was saved there."""
    made: dict[str, tuple[Path, Any]] = {}

    def save(kind: str) -> tuple[Path, Any]:
        if kind not in made:
            keras.utils.set_random_seed(1)
            folder = tmp_path_factory.mktemp("presets") / kind
            backbone = KINDS[kind][0]()
            backbone.save_to_preset(str(folder))
            KINDS[kind][1](image_size=SHAPE[:2], **SCALING).save_to_preset(str(folder))
            made[kind] = folder, backbone
        return made[kind]

    return save


@pytest.fixture
def copy(saved: Callable[[str], tuple[Path, Any]], tmp_path: Path) -> Path:
    """A copy of the folder with DINOv2, to be damaged."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in saved("dinov2")[0].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], np.ndarray]:
    """40 pictures, more than a batch, as files and as float32 in [0, 255]."""
    folder = tmp_path_factory.mktemp("pictures")
    pixels = np.random.default_rng(0).integers(0, 256, (40, *SHAPE), np.uint8)
    paths = [folder / f"{i:02d}.png" for i in range(len(pixels))]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).save(path)
    return paths, pixels.astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_those_of_the_backbone_behind_its_image_converter(
    kind: str, saved: Callable[[str], tuple[Path, Any]], pictures: tuple[list[Path], np.ndarray]
) -> None:
    folder, backbone = saved(kind)
    _, _, direct, width, vector = KINDS[kind]
    paths, pixels = pictures
    vectors, info = embed_images.embed(paths, model=f"hub:{folder}")
    expected = direct(backbone, (pixels * SCALING["scale"] + SCALING["offset"]).astype(np.float32))
    assert vectors.shape == (40, width)
    if "bfloat16" in inference_engine.name():
        cosine = (vectors * expected).sum(1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(expected, axis=1)
        assert cosine.min() > 0.999
    else:
        np.testing.assert_allclose(vectors, expected, rtol=1e-3, atol=1e-4)
    assert np.linalg.norm(expected - expected.mean(0), axis=1).min() > 1e-3, "pictures differ"
    assert info["name"] == f"hub:{kind}"
    assert info["size"] == "16×16"
    assert info["weights"] == file_version(folder / "model.weights.h5")
    assert info["weights"] in info["version"]
    assert vector in info["note"]


def test_a_second_run_gives_the_same_vectors(
    saved: Callable[[str], tuple[Path, Any]],
    pictures: tuple[list[Path], np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inference_engine, "_core", lambda: None)  # TensorFlow in float32, to compare closely
    folder, backbone = saved("clip")
    paths, pixels = pictures
    vectors, info = embed_images.embed(paths, model=f"hub:{folder}")
    expected = KINDS["clip"][2](backbone, (pixels * SCALING["scale"] + SCALING["offset"]).astype(np.float32))
    np.testing.assert_allclose(vectors, expected, rtol=1e-4, atol=1e-5)
    kept, _ = embed_images.embed(paths, model=f"hub:{folder}")
    hub_embedder._ready.cache_clear()
    again, same = embed_images.embed(paths, model=f"hub:{folder}")
    np.testing.assert_array_equal(kept, vectors)
    np.testing.assert_array_equal(again, vectors)
    assert same == info
    assert "tensorflow float32" in info["version"]


def test_the_converter_gives_the_size_and_must_fit(
    saved: Callable[[str], tuple[Path, Any]], copy: Path, pictures: tuple[list[Path], np.ndarray], tmp_path: Path
) -> None:
    folder, backbone = saved("vgg")
    larger = tmp_path / "larger"
    backbone.save_to_preset(str(larger))
    LAYERS.VGGImageConverter(image_size=(24, 20), **SCALING).save_to_preset(str(larger))
    _, info = embed_images.embed(pictures[0][:2], model=f"hub:{larger}")
    assert info["size"] == "20×24"
    assert info["version"] != embed_images.choose(f"hub:{folder}").version, "another configuration"
    LAYERS.DINOV2ImageConverter(image_size=(24, 24)).save_to_preset(str(copy))
    with pytest.raises(InputError, match=r"24×24.*16×16"):
        embed_images.embed(pictures[0][:1], model=f"hub:{copy}")


def refused(folder: Path, pictures: list[Path]) -> InputError:
    with pytest.raises(InputError) as caught:
        embed_images.embed(pictures[:1], model=f"hub:{folder}")
    return caught.value


def test_folders_that_are_no_image_preset_are_named(
    copy: Path, pictures: tuple[list[Path], np.ndarray], tmp_path: Path
) -> None:
    text = tmp_path / "text"
    MODELS.BertBackbone(
        vocabulary_size=16, hidden_dim=8, num_layers=1, num_heads=2, intermediate_dim=8, max_sequence_length=8
    ).save_to_preset(str(text))
    assert "BertBackbone" in refused(text, pictures[0]).problem
    (text / "image_converter.json").write_bytes((copy / "image_converter.json").read_bytes())
    problem = refused(text, pictures[0]).problem
    assert "BertBackbone" in problem
    assert "token_ids" in problem
    (copy / "model.weights.h5").write_bytes((copy / "model.weights.h5").read_bytes()[:5000])
    assert "DINOV2Backbone" in refused(copy, pictures[0]).problem
    (copy / "model.weights.h5").unlink()
    assert "model.weights.h5" in refused(copy, pictures[0]).problem
    (copy / "config.json").write_text("{")
    assert "config.json" in refused(copy, pictures[0]).problem
    (copy / "config.json").unlink()
    assert "config.json" in refused(copy, pictures[0]).problem


@pytest.mark.parametrize("file", ["config.json", "image_converter.json"])
@pytest.mark.parametrize(
    "part",
    [
        {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}},
        {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "x"}, "registered_name": None},
        {"module": "subprocess", "class_name": "Popen", "config": {"args": ["true"]}, "registered_name": None},
        {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
    ],
    ids=["lambda", "Lambda layer", "class", "function"],
)
def test_code_is_refused_before_anything_is_built(file: str, part: dict[str, Any], copy: Path) -> None:
    config = json.loads((copy / file).read_text())
    config["config"]["name"] = [{"deeper": part}]
    (copy / file).write_text(json.dumps(config))
    with pytest.raises(InputError, match=part["class_name"]):
        embed_images.choose(f"hub:{copy}")


def test_keras_refuses_code_in_presets_by_itself(
    saved: Callable[[str], tuple[Path, Any]], copy: Path, tmp_path: Path
) -> None:
    """That KerasHub builds in Keras's safe mode: what we look for is not the only guard."""
    config = json.loads((saved("clip")[0] / "config.json").read_text())
    layer = keras.layers.Lambda(lambda x: x)
    config["config"]["vision_encoder"] = keras.saving.serialize_keras_object(layer)
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="arbitrary code"):
        MODELS.Backbone.from_preset(str(copy))


def test_a_preset_that_asks_for_gigabytes_is_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["config"]["intermediate_dim"] = 1_000_000_000
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="bytes of memory"):
        embed_images.choose(f"hub:{copy}")


def test_a_preset_by_name_is_announced_and_its_absence_said(
    pictures: tuple[list[Path], np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    chosen = embed_images.choose("hub:dinov2_small")
    assert "90 MB" in chosen.note
    assert "class token" in chosen.note
    assert "kaggle://keras/dinov2/keras/dinov2_small/" in chosen.version
    with pytest.raises(InputError, match="save_to_preset"):
        embed_images.embed(pictures[0][:1], model="hub:dinov2_small")
    for name in ("bert_base_en", "no_such_preset", ""):
        with pytest.raises(InputError, match="no preset"):
            embed_images.choose(f"hub:{name}")
    with pytest.raises(InputError, match="--layer"):
        embed_images.choose("hub:x.keras", layer="pool")


def test_a_preset_in_the_cache_needs_no_internet(
    saved: Callable[[str], tuple[Path, Any]],
    pictures: tuple[list[Path], np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    handle = MODELS.DINOV2Backbone.presets["dinov2_small"]["kaggle_handle"].removeprefix("kaggle://")
    place = tmp_path / "models" / handle
    place.mkdir(parents=True)
    marks = place.parent / ".complete" / place.name
    marks.mkdir(parents=True)
    for name in ("config.json", "image_converter.json", "model.weights.h5"):
        (place / name).write_bytes((saved("dinov2")[0] / name).read_bytes())
        (marks / f"{name}.complete").touch()
    vectors, info = embed_images.embed(pictures[0][:3], model="hub:dinov2_small")
    assert vectors.shape == (3, 8)
    assert info["weights"] == file_version(place / "model.weights.h5")


def test_without_keras_hub_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "keras_hub" else known(name))
    with pytest.raises(InputError, match=r"imageclinic\[hub\]"):
        embed_images.choose("hub:dinov2_small")
