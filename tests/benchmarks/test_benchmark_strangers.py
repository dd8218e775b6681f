"""Planting strangers (`benchmarks.strangers`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks import strangers


def test_a_row_says_how_flags_and_order_are_right() -> None:
    planted = pd.Series([True, False, False, True, False], index=list("abcde"))
    score = pd.Series([0.9, 0.5, 0.8], index=["a", "b", "c"])  # d and e have none: the least strange
    images, count, precision, flags, right, of_flags, of_planted = strangers.row(planted, pd.Series(["a", "c"]), score)
    assert (images, count, flags, right, of_flags, of_planted) == ("5", "2", "2", "1", "0.50", "0.50")
    assert precision == f"{0.5 * 1 + 0.5 * 2 / 5:.2f}"  # found first of one, and among the last two of five
    nothing = strangers.row(pd.Series(False, index=["a", "b"]), pd.Series([], dtype=str), score[["a", "b"]])
    assert nothing == ("2", "0", "–", "0", "0", "–", "–")


@pytest.mark.slow
def test_planted_noise_among_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels, labels = load_digits(return_X_y=True)
    for i in np.flatnonzero(labels < 2)[:330]:
        digit = np.kron((255 - 15 * pixels[i].reshape(8, 8)).astype(np.uint8), np.ones((4, 4), np.uint8))
        _save(tmp_path / "digits" / str(labels[i]) / f"{i}.png", digit)
    rng = np.random.default_rng(0)
    for i in range(8):
        _save(tmp_path / "noise" / "grain" / f"{i}.png", rng.integers(0, 256, (32, 32, 3), np.uint8))
    strangers.main([str(tmp_path / "digits"), str(tmp_path / "noise"), "--model", "efficientnet_lite2"])
    row = [cell.strip() for cell in capsys.readouterr().out.splitlines()[-1].split("|")[1:-1]]
    assert row[:3] == ["337", "7", "1.00"]
    assert row[4] == "7"


def _save(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
