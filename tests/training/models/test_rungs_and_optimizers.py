"""A rung is one file and an optimizer one entry; who trains uses the same."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from imageclinic.core.errors import InputError
from imageclinic.training.diagnose.setup import Recipe
from imageclinic.training.diagnose.trainer import Trainer
from imageclinic.training.models import optimizers, rungs


def test_a_new_file_is_a_rung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '"""Nothing."""\n\nPLACE = 15\nWHAT = "nothing"\n\n\ndef features(x, regularizer):\n    return x\n'
    (tmp_path / "scratch_rung.py").write_text(text, "utf-8")
    monkeypatch.setattr(rungs, "__path__", [*rungs.__path__, str(tmp_path)])
    try:
        found = rungs.load()
    finally:
        sys.modules.pop(f"{rungs.__name__}.scratch_rung", None)
    assert list(found) == ["linear", "scratch_rung", "small_cnn", "large_cnn", "residual"]
    assert found["scratch_rung"].what == "nothing" and not found["scratch_rung"].takes_vectors


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_training_and_diagnosis_make_the_same_optimizer(name: str) -> None:
    made = optimizers.make(name, 0.02, 1e-3).get_config()
    recipe = Recipe(model="linear", optimizer=name, learning_rate=0.02, weight_decay=1e-3)
    diagnosed = Trainer(recipe, (8, 8, 1), 10).optimizer.get_config()
    assert {k: v for k, v in made.items() if k != "name"} == pytest.approx(
        {k: v for k, v in diagnosed.items() if k != "name"}
    )
    assert made.get("nesterov", False) == (name == "sgd")


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_the_code_that_users_are_shown_makes_what_was_tried(name: str) -> None:
    shown = eval(optimizers.code(name, 0.02, weight_decay="0.001"), {"keras": keras}).get_config()
    made = optimizers.make(name, 0.02, 1e-3).get_config()
    assert np.isclose(shown["learning_rate"], made["learning_rate"])
    for name_of in ("momentum", "nesterov", "weight_decay"):
        assert shown.get(name_of) == made.get(name_of)


def test_what_is_offered() -> None:
    assert optimizers.OFFERED == ("adamw", "sgd", "rmsprop")
    assert optimizers.offered("adam") == "adamw" and optimizers.offered("sgd") == "sgd"
    with pytest.raises(InputError, match=r"unknown optimizer 'adam'\. Expected one of adamw, sgd, rmsprop"):
        optimizers.check("adam", optimizers.OFFERED)
