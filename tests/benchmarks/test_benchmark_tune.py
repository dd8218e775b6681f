"""The benchmark of searches: its table of trainings goes on where it was, and searches are replayed on it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import tune

pytestmark = pytest.mark.slow


def test_the_table_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    good = tune.SETTINGS.index((0.01, 16, "adam", 0.0001, 32))
    wanted = [(0, good), (0, good + 1)]
    first = tune.measure(file, wanted, deadline=-math.inf)  # one training, and time is up
    assert list(first) == [(0, good)]
    assert first[0, good].shape == (1197,)
    assert first[0, good].mean() > 0.3
    kept = pd.read_csv(file, dtype={"right": str})
    kept["right"] = "01" * 598 + "1"  # what a second run must not measure again
    kept.to_csv(file, index=False)
    both = tune.measure(file, wanted, deadline=math.inf)
    assert list(both) == wanted
    assert both[0, good].tolist() == [False, True] * 598 + [True]


@pytest.mark.parametrize("search", ["random", "tpe"])
def test_searches_are_replayed(search: str) -> None:
    random = np.random.default_rng(0)
    share = random.random(len(tune.SETTINGS))
    right = random.random((1, len(share), 1197)) < share[None, :, None]
    path = tune.replay(right, search, 3, 15)
    assert np.array_equal(path, tune.replay(right, search, 3, 15))
    assert not np.array_equal(path, tune.replay(right, search, 4, 15))
    assert (np.diff(path[:, 0]) >= 0).all()  # the best so far, by the validation images
    assert np.abs(path[:, 0] - path[:, 1]).max() < 0.2  # the same setting's test accuracy
    rows = list(tune.compare(right, ["random", search], 3, 10))
    assert [row[1] for row in rows[:2]] == [5, 10]
