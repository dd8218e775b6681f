"""Transfer between splits: a planted shift is found, wrong labels and few images are not taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from imageclinic.audit.labels import transfer as transfer_module
from imageclinic.audit.labels.transfer import transfer


def side(n: int, seed: int, *, turn: float = 0.0, wrong: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes on an axis, which `turn` (radians) turns into another direction; labels wrong at random."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    place = np.where(label == 1, 2.0, -2.0)
    noise = rng.normal(0, 1, (n, 8))
    noise[:, 0] += place * np.cos(turn)
    noise[:, 1] += place * np.sin(turn)
    return noise, np.where(rng.random(n) < wrong, 1 - label, label).astype(np.int64)


def test_another_kind_of_images() -> None:
    found = transfer(side(600, 1), side(300, 2, turn=np.pi / 2), np.arange(300))
    assert found is not None
    assert found.within > 0.9
    assert found.across < 0.7
    assert found.low > 0.2


def test_wrong_labels_are_no_shift() -> None:
    for wrong in (0.0, 0.3):
        found = transfer(side(600, 1), side(300, 2, wrong=wrong), np.arange(300))
        assert found is not None
        assert found.low < 0 < found.high or found.drop < 0.02


def test_copies_widen_the_interval() -> None:
    x, y = side(60, 2, turn=1.0)
    alone = transfer(side(600, 1), (x, y), np.arange(60))
    copied = transfer(side(600, 1), (np.tile(x, (5, 1)), np.tile(y, 5)), np.tile(np.arange(60), 5))
    assert alone is not None
    assert copied is not None
    assert copied.high - copied.low > 0.6 * (alone.high - alone.low)


def test_one_class_can_not_be_compared() -> None:
    x, y = side(100, 1)
    assert transfer((x, y), (x, np.zeros(100, np.int64)), np.arange(100)) is None


def test_of_many_vectors_only_those_that_are_drawn_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_module, "_MOST", 50)
    (x, y), (to_x, to_y) = side(600, 1), side(300, 2)
    expected = transfer((x, y), (to_x, to_y), np.arange(300))
    # Rows that nobody draws may be anything: those of the others are NaN, and the answer the same.
    among = np.full((2000, x.shape[1]), np.nan)
    at, to_at = np.arange(600) * 2, 1200 + np.arange(300) * 2
    among[at], among[to_at] = x, to_x
    read: list[int] = []

    class Counted(transfer_module.Rows):
        def __getitem__(self, chosen: np.ndarray) -> np.ndarray:
            read.append(len(chosen))
            return super().__getitem__(chosen)

    assert transfer((Counted(among, at), y), (Counted(among, to_at), to_y), np.arange(300)) == expected
    assert read == [100, 50]
