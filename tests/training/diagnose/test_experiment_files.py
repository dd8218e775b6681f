"""An experiment is one file: the ladder finds and makes it, and nothing else knows its name."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from imageclinic.training.diagnose import experiments, ladder
from imageclinic.training.diagnose.setup import Data, Images, Recipe

SCRATCH = '''"""Is the first image brighter than the second?"""

from imageclinic.training.diagnose.results import Effect, Result

QUESTION = "Is the first image brighter than the second?"
RUNS = (0, 0)
PLACE = 35
ALWAYS = True


def run(lab):
    found = Effect("brightness", 0.5, 0.4, 0.6, "It is.", "Swap them.")
    return Result("Yes.", (found,)), lab
'''


def test_a_new_file_is_an_experiment_of_the_ladder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = list(experiments.load())
    (tmp_path / "scratch_brightness.py").write_text(SCRATCH, "utf-8")
    monkeypatch.setattr(experiments, "__path__", [*experiments.__path__, str(tmp_path)])
    x, y = load_digits(return_X_y=True)
    images = Images(x.reshape(-1, 8, 8, 1)[:180].astype(np.uint8) * 15, y[:180].astype(np.int64), np.arange(180))
    data = Data(images.at(np.arange(120)), images.at(np.arange(120, 180)), tuple("0123456789"))
    recipe = Recipe(model="linear", augment="none", dropout=0.0, learning_rate=1e-2, epochs=2)
    try:
        found = ladder.climb(data, recipe, budget=0.01, noise=lambda y, probs: np.zeros(len(y)), seeds=2)
    finally:
        sys.modules.pop(f"{experiments.__name__}.scratch_brightness", None)
    assert list(found["experiments"])[:4] == ["copies", "memorise", "gap", "scratch_brightness"]
    assert found["experiments"]["scratch_brightness"]["question"].startswith("Is the first image")
    (cause,) = [row for row in found["causes"] if row["cause"] == "brightness"]
    assert cause["remedy"] == "Swap them." and cause["experiment"] == "scratch_brightness"
    assert {*found["experiments"], *found["not_tested"]} == {*known, "scratch_brightness", *ladder.OUT_OF_SIGHT}


def test_the_order_and_what_is_always_made() -> None:
    known = experiments.load()
    places = [each.place for each in known.values()]
    assert places == sorted(set(places)), "no two experiments share a place"
    always = [name for name, each in known.items() if each.always]
    first = ["copies", "memorise", "gap", "input_range", "loss"]
    assert list(known)[: len(first)] == first
    assert always == [*first, "pretrained"]
    assert known["pretrained"].runs(5) == 0, "it trains no network, so it takes no budget"
    assert ladder.runs(5) == sum(each.runs(5) for each in known.values())
