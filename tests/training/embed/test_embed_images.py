"""Choosing an embedder and embedding files (`training.embed.embed_images` and what it composes)."""

import importlib
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from PIL import Image
from skimage import data
from sklearn.datasets import load_digits

from imageclinic.core.errors import Failed, InputError
from imageclinic.core.reading import caches
from imageclinic.training.data import grey_images
from imageclinic.training.embed import (
    distributed_parts,
    embed_images,
    embedder,
    embedder_choice,
    inference_engine,
    patch_dictionary,
)
from imageclinic.training.models import backbones, efficientnet_lite
from tests.helpers.away import Away

pytestmark = pytest.mark.slow

Floats = embedder.Floats


def write(folder: Path, images: np.ndarray) -> list[Path]:
    paths = [folder / f"{i:03d}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], np.ndarray]:
    """120 grey digits of 32×32 pixels as files, and their labels."""
    pixels, labels = load_digits(return_X_y=True)
    images = np.kron((255 - 15 * pixels[:120].reshape(-1, 8, 8)).astype(np.uint8), np.ones((1, 4, 4), np.uint8))
    return write(tmp_path_factory.mktemp("digits"), images), labels[:120]


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the package of weights is missing."""
    monkeypatch.setattr(efficientnet_lite, "weights_path", lambda variant: Path(variant.file))


@pytest.fixture(autouse=True)
def no_weights(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Keras cache: what `auto` finds must not depend on the machine."""
    home = tmp_path_factory.mktemp("keras")
    monkeypatch.setenv("KERAS_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def small_dictionary(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here does not need 800 centres."""
    monkeypatch.setattr(patch_dictionary, "_SCALES", ((1, 80, 3), (2, 80, 2)))


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Saves a Keras model of 8×8 grey images to a file."""

    def save(*layers: keras.layers.Layer) -> Path:
        keras.utils.set_random_seed(0)
        path = tmp_path / "own.keras"
        keras.Sequential([keras.Input((8, 8, 1)), *layers]).save(path)
        return path

    return save


def nearest_share(vectors: Floats, labels: np.ndarray) -> float:
    """Share of images whose nearest other image has the same label."""
    alike = vectors @ vectors.T - 10 * np.eye(len(vectors))
    return float((labels[alike.argmax(1)] == labels).mean())


def test_auto_takes_the_network_whose_weights_are_installed(digits: tuple[list[Path], np.ndarray]) -> None:
    paths, labels = digits
    vectors, info = embed_images.embed(paths)
    assert info["name"] == "efficientnet_lite2"
    assert info["size"] == "160×160", "small images are enlarged"
    assert info["shallow"] == "1280:1960"
    assert vectors.shape == (120, 1280 + 120 + 208 + 352), "the head's features and those of three stages"
    assert nearest_share(vectors, labels) > 0.3


def test_digits_get_another_embedder_and_photographs_the_network(
    digits: tuple[list[Path], np.ndarray], tmp_path: Path
) -> None:
    chosen = embedder_choice.choose(digits[0], [str(k) for k in digits[1]])
    tried = chosen.reason.partition("in nats: ")[2].split(", ")
    losses = {name: float(loss) for name, loss in (each.split() for each in tried)}
    assert tuple(losses) == ("efficientnet_lite2", "patches", "efficientnet_lite2+patches")
    assert "patches" in chosen.model and losses[chosen.model] < losses["efficientnet_lite2"] / 1.5
    assert "chosen on 120 of these images" in chosen.reason
    read = embedder_choice.announcement(embed_images.choose("efficientnet_lite2+patches"), chosen)
    assert "photographs" not in read and read.count("efficientnet_lite2") == 3, "no advice against what was chosen"
    assert "--model" in embedder_choice.announcement(embed_images.choose("patches"), embedder_choice.Choice("patches"))
    photograph = Image.fromarray(data.coffee())
    paths = [tmp_path / f"{i}.jpg" for i in range(60)]
    for i, path in enumerate(paths):
        photograph.crop((i, i, i + 300, i + 300)).save(path)
    assert embedder_choice.choose(paths, ["cup", "table"] * 30).model == "efficientnet_lite2"


def test_the_grid_is_tried_where_images_are_grey_and_large(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(50)]
    for i, path in enumerate(paths):
        Image.fromarray(rng.integers(0, 128 + 64 * (i % 2), (128, 128), np.uint8)).save(path)
    chosen = embedder_choice.choose(paths, ["dark", "light"] * 25)
    assert all(f" {name} " in chosen.reason for name in embedder_choice.candidates(backbones.cached()))


def test_the_grid_is_embedded_by_name_and_distances_leave_it_out(digits: tuple[list[Path], np.ndarray]) -> None:
    vectors, info = embed_images.embed(digits[0][:4], model="EfficientNet_Lite2_grid")
    assert (info["name"], info["size"]) == ("efficientnet_lite2_grid", "160×160")
    assert (vectors.shape, info["shallow"]) == ((4, 5704), "1280:5704")
    with pytest.raises(InputError, match="no embedder 'resnet50_grid'"):
        embed_images.choose("resnet50_grid")


def test_a_lower_loss_that_may_be_chance_is_named() -> None:
    noise = np.random.default_rng(0).normal(0, 1, 100)
    noise -= noise.mean()
    close = embedder_choice.by_loss({"net": np.ones(100), "patches": 0.99 + noise, "both": np.full(100, 2.0)}, "net")
    assert close.model == "net" and "patches is not surely better" in close.reason
    for other, model in ((0.5, "patches"), (1.5, "net")):
        found = embedder_choice.by_loss({"net": np.ones(100), "patches": other + noise / 100}, "net")
        assert found.model == model and "not surely" not in found.reason


def test_patches_beside_a_grid_must_be_surely_better() -> None:
    noise = np.random.default_rng(1).normal(0, 1, 100)
    noise -= noise.mean()
    for joined, model in ((0.499 + noise / 10, "grid"), (0.3 + noise / 10, "grid+patches")):
        losses = {"net": np.ones(100), "grid": np.full(100, 0.5), "patches": np.full(100, 2.0), "grid+patches": joined}
        assert embedder_choice.by_loss(losses, "net").model == model


def test_two_embedders_side_by_side(digits: tuple[list[Path], np.ndarray]) -> None:
    vectors, info = embed_images.embed(digits[0][:20], model="efficientnet_lite2+patches")
    assert info["name"] == "efficientnet_lite2+patches"
    assert info["size"] == "160×160, 32×32"
    assert info["shallow"] == "1280:1960", "of earlier stages, which distances leave out"
    np.testing.assert_allclose(np.linalg.norm(vectors[:, :1960], axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 2**0.5, atol=1e-5)


def test_an_embedding_that_was_cut_short_goes_on(
    digits: tuple[list[Path], np.ndarray], save: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed_images, "_BATCHES", 1)
    model, keep = str(save(keras.layers.Flatten())), tmp_path / "keep"
    whole, _ = embed_images.embed(digits[0], model=model)
    unreadable = [*digits[0][:100], tmp_path / "missing.png"]
    with pytest.raises(InputError, match=r"missing\.png"):
        embed_images.embed(unreadable, model=model, keep=keep)
    parts = sorted(keep.iterdir())
    assert len(parts) == 3
    marked = caches.read_array(parts[1])
    assert marked is not None
    marked[0] = 7
    caches.write_array(parts[1], marked)
    damaged = bytearray(parts[0].read_bytes())
    damaged[len(damaged) // 2] ^= 1
    parts[0].write_bytes(damaged)
    parts[2].write_bytes(b"PK" + parts[2].read_bytes()[:-9])
    vectors, _ = embed_images.embed(digits[0], model=model, keep=keep)
    assert (vectors[32] == 7).all(), "a finished part is taken as it is, damaged ones are made again"
    np.testing.assert_array_equal(np.delete(vectors, 32, 0), np.delete(whole, 32, 0))


def test_vectors_made_in_parts_by_workers_elsewhere_are_the_same(
    digits: tuple[list[Path], np.ndarray], save: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed_images, "_BATCHES_AWAY", 1)
    model, keep = str(save(keras.layers.Flatten())), tmp_path / "keep"
    whole, _ = embed_images.embed(digits[0], model=model)
    seen: list[int] = []
    for _ in range(2):
        vectors, _ = embed_images.embed(
            digits[0], model=model, keep=keep, engine=Away(), progress=lambda done, _: seen.append(done)
        )
        np.testing.assert_array_equal(vectors, whole)
        assert len(list(keep.iterdir())) == 4
    assert seen == [32, 64, 96, 120, 120, 120], "the second time nothing is left to do"
    with pytest.raises(InputError, match="a worker embeds with"):
        distributed_parts.PartWorker(model, None, digits[0], "another version", 1)


def test_the_engine_gives_what_keras_gives() -> None:
    network = backbones.load(backbones.BACKBONES["efficientnet_lite2"], side=64)
    images = np.random.default_rng(0).uniform(0, 255, (5, 64, 64, 3)).astype(np.float32)
    expected = network.predict_on_batch(images)
    found = inference_engine.predictor(network, precision="f32")(images)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    rounded = inference_engine.predictor(network, precision="bf16")(images)
    cosine = (rounded * expected).sum(1) / np.linalg.norm(rounded, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosine.min() > 0.99


@pytest.mark.parametrize(("name", "side"), [("efficientnet_lite2", 64), ("efficientnet_lite2_grid", 96)])
def test_the_bundled_network_is_the_one_that_keras_builds(name: str, side: int) -> None:
    backbone = backbones.named(name)
    assert backbone is not None
    images = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), np.uint8)
    expected = backbones.load(backbone, side=side, several_depths=True).predict_on_batch(images.astype(np.float32))
    made = inference_engine.bundled(backbone, side, precision="f32")
    assert made is not None
    predict, width = made
    assert width == expected.shape[1]
    np.testing.assert_allclose(predict(images), expected, atol=1e-4)


def test_without_the_engine_nothing_is_bundled(monkeypatch: pytest.MonkeyPatch) -> None:
    lite, other = (backbones.BACKBONES[name] for name in ("efficientnet_lite2", "resnet50"))
    assert inference_engine.bundled(other, 64) is None
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert inference_engine.bundled(lite, 64) is None


def test_without_the_engine_tensorflow_predicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert inference_engine.name() == "tensorflow float32"
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    assert inference_engine.predictor(network) == network.predict_on_batch


def test_auto_takes_patches_when_there_are_no_weights(
    nothing_installed: None, digits: tuple[list[Path], np.ndarray]
) -> None:
    paths, labels = digits
    seen: list[tuple[int, int]] = []
    vectors, info = embed_images.embed(paths, progress=lambda done, of: seen.append((done, of)))
    assert info["name"] == "patches"
    assert vectors.dtype == np.float32
    assert len(vectors) == 120
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert nearest_share(vectors, labels) > 0.85
    assert seen[-1] == (120, 120)


def test_same_seed_same_vectors(digits: tuple[list[Path], np.ndarray]) -> None:
    paths, _ = digits
    first, second, other = (embed_images.embed(paths[:40], model="patches", seed=seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, other)


def test_row_order_does_not_matter(digits: tuple[list[Path], np.ndarray]) -> None:
    paths = digits[0][:40]
    straight, _ = embed_images.embed(paths, model="patches")
    backwards, _ = embed_images.embed(paths[::-1], model="patches")
    np.testing.assert_array_equal(backwards[::-1], straight)


def test_images_that_were_not_learnt_from_get_the_same_treatment(
    digits: tuple[list[Path], np.ndarray],
) -> None:
    paths, _ = digits
    learnt, _ = embed_images.fit_embed(paths[:60], paths[:60], model="patches")
    all_, _ = embed_images.fit_embed(paths[:60], paths, model="patches")
    np.testing.assert_array_equal(all_[:60], learnt)


def test_a_streamed_image_has_the_vector_that_it_would_have_when_learnt_from(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 40, 40, 3), np.uint8)
    paths = write(tmp_path, images)
    copy = tmp_path / "copy.png"
    Image.fromarray(images[0]).save(copy)
    vectors, _ = embed_images.fit_embed(paths, [paths[0], copy])
    np.testing.assert_allclose(vectors[1], vectors[0], atol=1e-5)


def test_patches_see_colour_only_where_there_is_some(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grey = np.repeat(rng.integers(0, 256, (20, 32, 32, 1), np.uint8), 3, axis=-1)
    assert patch_dictionary.is_grey(grey)
    assert not patch_dictionary.is_grey(rng.integers(0, 256, (20, 32, 32, 3), np.uint8))


def test_no_more_files_are_read_than_tell_colour(tmp_path: Path) -> None:
    grey, colour = np.full((40, 40, 3), 90, np.uint8), np.zeros((40, 40, 3), np.uint8)
    colour[..., 0] = 200
    greys = write(tmp_path, np.stack([grey] * 70))
    (tmp_path / "colour").mkdir()
    (one,) = write(tmp_path / "colour", colour[None])
    assert grey_images.are_grey(greys)
    assert grey_images.are_grey([*greys * 2, one]), "one of 141"
    assert not grey_images.are_grey([*greys, one]), "one of 71"
    assert not grey_images.are_grey([one, *greys[:69], tmp_path / "missing.png"]), "which is not reached"


def test_mirror_images_have_the_same_vector() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 1), np.uint8)
    model, vectors = patch_dictionary.fit(images, 0)
    mirrored = model.predict_on_batch(images[:, :, ::-1].astype(np.float32))
    np.testing.assert_allclose(mirrored, vectors, atol=1e-4)


def test_the_patch_model_can_be_saved(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    model, vectors = patch_dictionary.fit(images, 0)
    model.save(tmp_path / "patches.keras")
    loaded = keras.saving.load_model(tmp_path / "patches.keras")
    np.testing.assert_allclose(loaded.predict_on_batch(images.astype(np.float32)), vectors, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_images_that_are_all_alike_or_few(tmp_path: Path, count: int) -> None:
    vectors, _ = embed_images.embed(write(tmp_path, np.full((count, 10, 10), 128, np.uint8)), model="patches")
    assert vectors.shape == (count, 1)
    assert np.isfinite(vectors).all()


def test_auto_takes_weights_that_are_there_and_downloads_nothing(
    no_weights: Path, digits: tuple[list[Path], np.ndarray]
) -> None:
    keras.utils.set_random_seed(0)
    backbone = backbones.BACKBONES["efficientnetb0"]
    network = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(224, 224, 3))
    path = backbones.weights_path(backbone)
    path.parent.mkdir()
    with h5py.File(path, "w") as file:  # the format of the published files
        legacy_h5_format.save_weights_to_hdf5_group(file, network)
    vectors, info = embed_images.embed(digits[0][:3])
    assert info["name"] == "EfficientNetB0", "better than the network whose weights are always there"
    assert str(no_weights) in info["note"]
    assert vectors.shape == (3, 1280)


def test_weights_that_are_damaged_are_named(no_weights: Path, digits: tuple[list[Path], np.ndarray]) -> None:
    path = backbones.weights_path(backbones.BACKBONES["efficientnetb0"])
    path.parent.mkdir()
    path.write_bytes(b"half a download")
    with pytest.raises(InputError, match=r"efficientnetb0.*does not hold the weights"):
        embed_images.embed(digits[0][:3])


def test_a_backbone_without_weights_announces_its_download() -> None:
    chosen = embed_images.choose("mobilenetv2")
    assert chosen.name == "MobileNetV2"
    assert "downloads about 9 MB" in chosen.note


@pytest.mark.parametrize("name", ["mobilenetv2", "efficientnetv2b0", "resnet50"])
def test_weights_are_looked_for_where_keras_puts_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(Exception):
        pass

    def get_file(fname: str, *_: object, **__: object) -> None:
        raise Asked(fname)

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    backbone = backbones.BACKBONES[name]
    with pytest.raises(InputError, match="can't be downloaded") as caught:
        backbones.load(backbone)
    assert str(caught.value.__cause__) == backbone.file


def test_own_model_gives_what_goes_into_its_classifier(
    save: Callable[..., Path], digits: tuple[list[Path], np.ndarray]
) -> None:
    layers = keras.layers
    path = save(layers.Conv2D(4, 3, name="conv"), layers.Flatten(name="flat"), layers.Dense(3, activation="softmax"))
    vectors, info = embed_images.embed(digits[0][:4], model=str(path))
    assert vectors.shape == (4, 6 * 6 * 4)
    assert "flat" in info["note"]
    assert len(info["version"]) == 12
    averaged, _ = embed_images.embed(digits[0][:4], model=str(path), layer="conv")
    np.testing.assert_allclose(averaged, vectors.reshape(4, 36, 4).mean(1), rtol=1e-4)


def test_own_model_that_wants_to_run_code_is_refused(save: Callable[..., Path]) -> None:
    path = save(keras.layers.Lambda(lambda x: x * 2))
    with pytest.raises(InputError, match="holds code that it wants to run") as caught:
        embed_images.choose(str(path))
    assert "was not run" in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        {"module": "os", "class_name": "system", "config": "touch {touched}", "registered_name": None},
        {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"},
        {"module": "subprocess", "class_name": "Popen", "config": {"args": ["touch", "{touched}"]}},
    ],
)
def test_a_file_that_names_foreign_code_is_refused(
    config: dict[str, object], save: Callable[..., Path], tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    own, crafted = save(keras.layers.Flatten()), tmp_path / "crafted.keras"
    with zipfile.ZipFile(own) as source, zipfile.ZipFile(crafted, "w") as target:
        for name in source.namelist():
            text = json.dumps(config).replace("{touched}", str(touched)).encode()
            target.writestr(name, text if name == "config.json" else source.read(name))
    with pytest.raises(InputError, match=r"crafted\.keras"):
        embed_images.choose(str(crafted))
    assert not touched.exists()


def test_own_model_refusals(save: Callable[..., Path], tmp_path: Path) -> None:
    path = save(keras.layers.Flatten(name="flat"))
    with pytest.raises(InputError, match=r"no layer 'top'\. Expected one of flat"):
        embed_images.choose(str(path), layer="top")
    with pytest.raises(InputError, match="no file"):
        embed_images.choose(str(tmp_path / "missing.keras"))
    (tmp_path / "text.keras").write_text("no model")
    with pytest.raises(InputError, match=r"text\.keras is no \.keras file"):
        embed_images.choose(str(tmp_path / "text.keras"))
    flat = tmp_path / "flat.keras"
    keras.Sequential([keras.Input((7,)), keras.layers.Dense(2)]).save(flat)
    with pytest.raises(InputError, match=r"one input, images"):
        embed_images.choose(str(flat))


def test_own_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: tuple[list[Path], np.ndarray]) -> None:
    (tmp_path / "my_embedder.py").write_text(
        "def means(images):\n    return images.mean((1, 2))\n"
        "means.image_size = (16, 20)\n"
        "def size(images):\n    return images[:, 0, 0, :] * 0 + images.shape[1:3][0]\n"
        "def bad(images):\n    return images\n"
        "def nan(images):\n    return images.mean((1, 2)) * float('nan')\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    vectors, info = embed_images.embed(digits[0][:40], model="my_embedder:means")
    assert vectors.shape == (40, 3)
    first = np.asarray(Image.open(digits[0][0])).mean()
    assert vectors[0, 0] == pytest.approx(first, abs=1)
    assert info["name"] == "my_embedder:means"
    assert embed_images.embed(digits[0][:1], model="my_embedder:size")[0][0, 0] == 224
    for name, message in (("bad", "shape"), ("nan", "NaN"), ("number", "can't be called"), ("no", "there is no")):
        with pytest.raises(InputError, match=message):
            embed_images.embed(digits[0][:2], model=f"my_embedder:{name}")
    sys.modules.pop("my_embedder")


def test_out_of_memory_halves_the_batch_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exhausted: Exception, digits: tuple[list[Path], np.ndarray]
) -> None:
    (tmp_path / "hungry.py").write_text(
        "def means(images):\n    return images.mean((1, 2))\nmeans.image_size = (8, 8)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    hungry, seen = importlib.import_module("hungry"), []

    def take(images: np.ndarray) -> np.ndarray:
        seen.append(len(images))
        if len(images) > most:
            raise exhausted
        return images.mean((1, 2))

    most = 10
    monkeypatch.setattr(hungry, "means", take)
    take.image_size = (8, 8)
    vectors, _ = embed_images.embed(digits[0][:40], model="hungry:means")
    assert seen == [1, 32, 16, 8, 8, 8, 8, 8], "1 to learn the width; then it stays small"
    expected = [np.asarray(Image.open(path)).mean() for path in digits[0][:40]]
    np.testing.assert_allclose(vectors[:, 0], expected, atol=1)
    most = 0
    with pytest.raises(Failed, match="Out of memory for a single image"):
        embedder.Halving(take)(np.zeros((2, 8, 8, 3)))
    sys.modules.pop("hungry")


def test_on_a_gpu_backbones_work_in_mixed_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = backbones.BACKBONES["mobilenetv2"]
    monkeypatch.setattr(backbones, "has_gpu", lambda: True)
    network = backbones.build(backbone, None)
    assert network.get_layer("Conv1").compute_dtype == "float16"
    assert network.get_layer("Conv1").kernel.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32", "only while it is built"
    assert "mixed_float16" in embed_images.choose("mobilenetv2").version


def test_unknown_names_list_the_valid_ones() -> None:
    with pytest.raises(InputError, match=r"auto, patches, EfficientNetV2S.*module:function"):
        embed_images.choose("resnet51")
    with pytest.raises(InputError, match="--layer"):
        embed_images.choose("patches", layer="conv")


def test_no_images_and_undecodable_ones(tmp_path: Path, save: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="no images"):
        embed_images.embed([])
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    for model in ("patches", str(save(keras.layers.Flatten()))):
        with pytest.raises(InputError, match=r"bad\.png can't be decoded"):
            embed_images.embed([bad], model=model)
