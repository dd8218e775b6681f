"""A saved model that asks for more memory than its file explains is refused before it is loaded."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import pytest

from imageclinic.core.errors import InputError
from imageclinic.training.embed import user_embedder
from imageclinic.training.models import saved_model_size

pytestmark = pytest.mark.slow


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(5)]
    keras.Sequential(layers).save(tmp_path / "m.keras")
    return tmp_path / "m.keras"


def changed(path: Path, config: Any = None, **more: bytes) -> Path:
    """A copy of the file with another config, or with more parts, packed."""
    target = path.with_name("changed.keras")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json" and config is not None:
                found = json.loads(data)
                config(found)
                data = json.dumps(found).encode()
            new.writestr(name, data)
        for name, data in more.items():
            new.writestr(name, data)
    return target


def test_a_sound_model_is_loaded(saved: Path) -> None:
    model = user_embedder.load(saved, "")
    with zipfile.ZipFile(saved) as archive:
        numbers = 4 * sum(w.shape.num_elements() for w in model.weights)
        assert saved_model_size._built(saved_model_size._config(archive)) == numbers
        assert saved_model_size._stored(archive) >= numbers


def test_layers_that_the_weights_do_not_fill(saved: Path) -> None:
    def widen(config: Any) -> None:
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "Dense":
                layer["config"]["units"] = 10_000_000
        config["config"].pop("build_input_shape", None)

    with pytest.raises(InputError, match=r"would take 5,\d{3},\d{3},\d{3} bytes of memory"):
        user_embedder.load(changed(saved, widen), "")


def test_packed_parts(saved: Path) -> None:
    with pytest.raises(InputError, match="bytes of memory"):
        user_embedder.load(changed(saved, **{"assets/zeros": bytes(200 << 20)}), "")
