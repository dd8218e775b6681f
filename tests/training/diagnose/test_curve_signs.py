"""What curves say: each shape is named, and a healthy one is not accused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import imageclinic
from imageclinic.cli.app import app
from imageclinic.core.errors import InputError
from imageclinic.training.diagnose.curves import judge_curves, read_history

T = np.arange(30)
FALL = 2.3 * np.exp(-T / 5) + 0.05  # settles well before the end
RNG = np.random.default_rng(0)
SHAKE = RNG.normal(0, 1, len(T))


def signs(**logs: Any) -> list[str]:
    found = judge_curves.judge(read_history.read(logs), classes=10)["signs"]
    return [s["sign"] for s in found]


def healthy() -> dict[str, Any]:
    return {
        "loss": FALL,
        "val_loss": FALL + 0.03 + 0.003 * SHAKE,
        "accuracy": 0.98 - 0.8 * np.exp(-T / 5),
        "val_accuracy": 0.965 - 0.8 * np.exp(-T / 5) + 0.003 * SHAKE,
    }


def test_a_healthy_run_shows_nothing() -> None:
    assert signs(**healthy()) == []


@pytest.mark.parametrize(
    ("sign", "changed"),
    [
        ("diverging", {"loss": np.r_[FALL[:15], FALL[15] + 0.2 * T[:15]]}),
        ("not_learning", {"loss": 2.303 + 0.002 * SHAKE, "accuracy": np.full(30, 0.1)}),
        ("overfitting", {"val_loss": np.where(T < 10, FALL, FALL[10] + 0.05 * (T - 10))}),
        ("overfitting", {"val_accuracy": np.full(30, 0.8)}),
        ("levelled_off", {"loss": FALL + 0.9, "accuracy": np.full(30, 0.7), "val_accuracy": np.full(30, 0.69)}),
        ("too_slow", {"loss": 2.3 - 0.02 * T}),
        ("still_improving", {"val_loss": 2.3 * np.exp(-T / 12), "loss": 2.3 * np.exp(-T / 12)}),
        ("jumpy", {"loss": FALL + 0.3 * (T % 3 == 0)}),
        ("unsteady_validation", {"val_accuracy": 0.95 + 0.03 * (-1.0) ** T}),
        ("validation_above_training", {"val_accuracy": np.full(30, 1.0), "accuracy": np.full(30, 0.95)}),
        ("not_a_number", {"loss": np.r_[FALL[:-1], np.nan]}),
        ("not_a_number", {"val_loss": np.r_[FALL[:-1], np.inf]}),
    ],
)
def test_each_shape_is_named(sign: str, changed: dict[str, Any]) -> None:
    assert sign in signs(**{**healthy(), **changed})


def test_a_run_that_fell_apart_has_no_other_shape() -> None:
    assert signs(**{**healthy(), "loss": np.r_[FALL[:15], FALL[15] + 0.2 * T[:15]]}) == ["diverging"]


def test_a_run_that_starts_where_it_ends_because_it_is_good_is_not_called_unable_to_learn() -> None:
    found = signs(loss=0.2 + 0.001 * SHAKE, accuracy=np.full(30, 0.95))
    assert "not_learning" not in found


def test_guessing_is_known_by_the_number_of_classes() -> None:
    flat = read_history.read({"loss": 0.6 + 0.001 * SHAKE})
    assert [s["sign"] for s in judge_curves.judge(flat)["signs"]] == ["not_learning"]
    assert [s["sign"] for s in judge_curves.judge(flat, classes=2)["signs"]] == ["not_learning"]
    assert judge_curves.judge(flat, classes=10)["signs"] == []  # far below ln 10: it knows something


def test_a_loss_that_falls_only_to_that_of_guessing_has_learnt_nothing() -> None:
    assert signs(loss=np.r_[9.0, 2.31 + 0.005 * SHAKE[1:]], accuracy=np.full(30, 0.1)) == ["not_learning"]


def test_epochs_are_counted_from_one() -> None:
    loss = FALL.copy()
    loss[6] = math.nan
    (sign,) = judge_curves.judge(read_history.read({"loss": loss}))["signs"]
    assert sign["evidence"] == "loss is no finite number in epoch 7."


def test_what_is_missing_is_named() -> None:
    text = " ".join(judge_curves.judge(read_history.read({"loss": [2.0, 1.0]}))["unknown"])
    for word in ("2 epochs", "no val_loss", "no accuracy", "no val_accuracy", "Wrong labels", "more images"):
        assert word in text
    assert "no val_loss" not in " ".join(judge_curves.judge(read_history.read(healthy()))["unknown"])


def test_chance_is_estimated_with_the_number_of_validation_images() -> None:
    logs = read_history.read({**healthy(), "val_accuracy": np.full(30, 0.8)})
    (sign,) = judge_curves.judge(logs, val_images=100)["signs"]
    assert "71.1%–86.7%" in sign["evidence"]  # Wilson's interval of 80 in 100


@pytest.mark.parametrize("wrong", [{"classes": 1}, {"val_images": 0}])
def test_impossible_numbers_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        judge_curves.judge(read_history.read({"loss": [1.0]}), **wrong)


def test_the_command_and_the_api_agree(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    frame = pd.DataFrame({**healthy(), "val_accuracy": np.full(30, 0.8)})
    frame.to_csv(path, index_label="epoch")
    shown = CliRunner().invoke(app, ["diagnose", "--history", str(path), "--json"])
    assert shown.exit_code == 0
    assert json.loads(shown.stdout) == imageclinic.diagnose(history=path)
    words = CliRunner().invoke(app, ["diagnose", "--history", str(path)]).stdout
    assert "overfitting" in words
    assert "What to do:" in words
    assert "What these curves can't show" in words


def test_a_short_run_that_may_still_improve_is_not_called_finished():
    # A real one: six epochs of a small network on CIFAR-10, stopped by the number of epochs.
    run = {
        "loss": [2.095, 1.876, 1.795, 1.739, 1.712, 1.665],
        "accuracy": [0.238, 0.317, 0.351, 0.371, 0.394, 0.404],
        "val_loss": [1.825, 1.766, 1.707, 1.646, 1.627, 1.614],
        "val_accuracy": [0.336, 0.347, 0.374, 0.413, 0.397, 0.422],
    }
    short = judge_curves.judge(read_history.read(run))
    assert any("6 epochs are few" in text for text in short["unknown"])
    assert not any("epochs are few" in text for text in judge_curves.judge(read_history.read(healthy()))["unknown"])
