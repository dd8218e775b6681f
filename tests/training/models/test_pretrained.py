"""Pretrained rungs: weights from the cache or a file, never from the internet; stages frozen or trained."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from imageclinic.core.errors import InputError
from imageclinic.training.compare import comparison_recipe
from imageclinic.training.compare.compare_options import CompareOptions
from imageclinic.training.models import backbones, capacity_ladder, efficientnet_lite, pretrained

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]

DOCS = (Path(__file__).resolve().parents[3] / "docs" / "training.md").read_text("utf-8")
MOBILE = backbones.BACKBONES["mobilenetv2"]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keras's cache, without any weights."""
    home = tmp_path_factory.mktemp("keras")
    monkeypatch.setenv("KERAS_HOME", str(home))
    return home


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of MobileNetV2, random ones: enough to see that they are used and which of them change."""
    file = tmp_path_factory.mktemp("weights") / "mobile.weights.h5"
    keras.utils.set_random_seed(7)
    backbones.build(MOBILE, None, 32).save_weights(file)
    return file


def inner(network: keras.Model) -> keras.Model:
    """The network of keras.applications within a rung."""
    wrapper = next(layer for layer in network.layers if isinstance(layer, keras.Model))
    found: keras.Model = next(layer for layer in wrapper.layers if isinstance(layer, keras.Model))
    return found


@pytest.mark.parametrize("name", ["mobilenetv2", "efficientnetv2b0"])
def test_what_a_network_costs_is_documented(name: str) -> None:
    assert pretrained.row(name) in DOCS


def test_every_network_is_documented() -> None:
    assert all(f"| `{name}` | {b.side} |" in DOCS for name, b in backbones.BACKBONES.items())


def test_stages_are_trained_from_the_last_on_and_what_is_frozen_stays(weights: Path) -> None:
    counts = []
    images = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3)).astype(np.float32)
    for unfreeze in (0, 1, 4):
        network = capacity_ladder.build("mobilenetv2", (32, 32, 3), 3, unfreeze=unfreeze, weights=weights)
        before = [w.numpy().copy() for w in inner(network).weights]
        trained = {id(v) for v in network.trainable_variables}
        counts.append(len(trained))
        network.compile(keras.optimizers.SGD(1000.0), "sparse_categorical_crossentropy")
        network.fit(images, np.arange(8) % 3, epochs=1, verbose=0)
        changed = [v for v, old in zip(inner(network).weights, before, strict=True) if not np.array_equal(v, old)]
        assert {id(v) for v in changed} <= trained
        assert not [v.path for v in changed if "BN" in v.path or "bn" in v.path]
        assert bool(changed) == bool(unfreeze)
    assert counts[0] == 2  # the classifier
    assert counts[0] < counts[1] < counts[2]
    assert [len(s) > 0 for s in pretrained.stages(inner(network))] == [True] * 4
    with pytest.raises(InputError, match="Expected 0 to 4"):
        capacity_ladder.build("mobilenetv2", (32, 32, 3), 3, unfreeze=5, weights=weights)


def test_the_weights_are_those_of_the_file_and_a_saved_model_opens_without_code(weights: Path, tmp_path: Path) -> None:
    network = capacity_ladder.build("mobilenetv2", (32, 32, 3), 3, weights=weights, augment="light")
    given = backbones.build(MOBILE, None, 32)
    given.load_weights(weights)
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype(np.float32)
    expected = np.asarray(given(keras.applications.mobilenet_v2.preprocess_input(images.copy()), training=False))
    wrapper = next(layer for layer in network.layers if isinstance(layer, keras.Model))
    np.testing.assert_allclose(np.asarray(wrapper(images)), expected, rtol=1e-4, atol=1e-5)
    network.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(np.asarray(again(images)), np.asarray(network(images)), rtol=1e-4, atol=1e-5)


def test_missing_weights_are_reported_with_a_way_out_and_never_downloaded(cache: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(efficientnet_lite, "weights_path", lambda variant: Path(variant.file))
        with pytest.raises(InputError, match=r"no pretrained weights in .*--model residual needs no weights"):
            capacity_ladder.build("pretrained", (32, 32, 3), 3)
        with pytest.raises(InputError, match=r"weights of efficientnet_lite2 .*Install the package"):
            capacity_ladder.build("efficientnet_lite2", (32, 32, 3), 3)
    for path in (None, tmp_path / "mine.h5"):
        with pytest.raises(InputError, match=r"weights of MobileNetV2 are not on this machine.*residual"):
            capacity_ladder.build("mobilenetv2", (32, 32, 3), 3, weights=path)
    assert not list(cache.rglob("*.h5"))
    (tmp_path / "mine.h5").write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"mine\.h5 does not hold the weights.*another file with --weights"):
        capacity_ladder.build("mobilenetv2", (32, 32, 3), 3, weights=tmp_path / "mine.h5")


def test_the_preferred_cached_network_is_taken(weights: Path, cache: Path) -> None:
    assert pretrained.find("pretrained").name == "efficientnet_lite2", "which needs no cache"
    for name, taken in (("mobilenetv2", "efficientnet_lite2"), ("efficientnetb0", "EfficientNetB0")):
        path = backbones.weights_path(backbones.BACKBONES[name])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert pretrained.find("pretrained").name == taken


def test_what_does_not_go_together_is_refused(weights: Path) -> None:
    for rung in ("small_cnn", "linear"):
        with pytest.raises(InputError, match="trained from scratch"):
            capacity_ladder.build(rung, (32, 32, 3), 3, weights=weights)
    with pytest.raises(InputError, match="3 channels"):
        capacity_ladder.build("mobilenetv2", (32, 32, 1), 3, weights=weights)
    with pytest.raises(InputError, match="can't take images of 16×16"):
        capacity_ladder.build("mobilenetv2", (16, 16, 3), 3, weights=weights)
    with pytest.raises(InputError, match="Expected pretrained, or one of"):
        comparison_recipe.choose(CompareOptions(unfreeze=1), 3)


def test_a_comparison_knows_the_weights_by_their_content(weights: Path) -> None:
    chosen = comparison_recipe.choose(CompareOptions("mobilenetv2", str(weights), unfreeze=1, size=32), 3)
    assert (chosen.side, chosen.channels, chosen.learning_rate) == ((32, 32), 3, 1e-4)
    other = comparison_recipe.choose(CompareOptions("mobilenetv2", str(weights), size=32), 3)
    assert chosen.version != other.version
    assert comparison_recipe.choose(CompareOptions("residual"), 3).side == (32, 32)
