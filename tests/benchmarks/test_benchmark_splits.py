"""The benchmarks of splits run on a handful of rows and images, and count what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import leak, split
from tests.conftest import picture

pytestmark = pytest.mark.slow


def test_a_small_table_is_split_without_leaks() -> None:
    timed = split.time_rows(3000)
    assert timed.leaks == 0
    assert sum(timed.counts.values()) == 3000
    printed = split.report_rows(3000, timed)
    assert f"{timed.counts['train']:,}" in printed
    assert "groups in two splits" in printed


def test_cases_are_compared_with_scikit_learn() -> None:
    found = split.compare(4)
    assert found["leaks"].sum() == 0
    assert (found[["ours", "theirs"]] > 0).all().all()
    assert f"{100 * found['ours'].mean():.2f}" in split.report_cases(found)


def test_deviation_and_leaks_are_counted() -> None:
    label, part = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    assert split.deviation(label, part, 2) == pytest.approx((0.5 + 0.5 + 0 + 0) / 4)
    assert split.leaks(np.array([7, 7, 8, 8]), part) == 1


def test_runs_end_where_the_classes_begin_again() -> None:
    names = pd.Series(["0/IMG_1.jpg", "1/IMG_2.jpg", "0/IMG_3.jpg", "2/IMG_5.jpg", "3/IMG_50.jpg", "3/odd.jpg"])
    runs = leak.runs_of(names, names.str[0])
    assert runs[0] == runs[1] != runs[2] == runs[3] != runs[4]
    assert pd.isna(runs[5])


def test_a_random_split_leaks_and_ours_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(40):
        for kind in range(2):
            path = tmp_path / "pets" / f"{kind}" / f"{2 * n + kind:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(n // 10 + 50 * kind).save(path)
    found = leak.measure(tmp_path / "pets", "label", runs=True, seeds=1, epochs=0, size=8)
    divided = found.set_index("way")["divided"]
    assert divided["ours"] == (0, 0)
    assert divided["random"][0] > 100, "ten equal pictures in each class"
    assert divided["random"][1] > 10
    accuracy = found.set_index("way")["accuracy"]
    assert accuracy["random"][0] == 1.0, "the nearest neighbour of a copy is its copy"
    printed = leak.report(found)
    assert "The random split pretends" in printed
    assert "80 images" in printed
    assert "seed 0, ours" in capsys.readouterr().out
