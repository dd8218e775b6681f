"""benchmarks/neighbors.py says whether both searches found the same, and how long they took."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import neighbor_peers, neighbors

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("rows", [None, "40"])
def test_ours_against_an_exhaustive_search(capsys: pytest.CaptureFixture[str], rows: str | None) -> None:
    asked = ["150", "--radius", "22", "--orientations", "8", "--peer", "numpy", "--repeats", "1"]
    assert neighbors.main([*asked, *(("--peer-rows", rows) if rows else ())]) == 0
    shown = capsys.readouterr().out
    assert "150 hashes (random), 8 orientation(s), radius 22" in shown
    assert "the same pairs" in shown
    assert ("40 rows × 3.8: extrapolated" in shown) == (rows is not None)


def test_growth(capsys: pytest.CaptureFixture[str]) -> None:
    assert neighbors.main(["100", "--growth", "--repeats", "1"]) == 0
    shown = capsys.readouterr().out
    assert [line.split("|")[1].strip() for line in shown.splitlines() if line.startswith("| ")][1:] == [
        "10",
        "20",
        "50",
        "100",
    ]
    assert "seconds grow with the" in shown


def test_peers_agree_and_a_difference_is_reported(tmp_path: Path) -> None:
    hashes, _ = neighbors.draw("random", 200, 8, 0)
    rows = np.arange(200)
    mine, other = (PEER(hashes, 20, rows, None) for PEER in (neighbor_peers.ours, neighbor_peers.numpy))
    assert len(mine) > 50
    np.testing.assert_array_equal(mine, other)
    for name, pairs in (("ours", mine), ("numpy", other[1:]), ("rows", rows)):
        np.save(tmp_path / f"{name}.npy", pairs)
    assert neighbors.exact(tmp_path, "numpy", 200, None).startswith("DIFFERENT")
    np.save(tmp_path / "numpy.npy", other)
    assert neighbors.exact(tmp_path, "numpy", 200, None) == "the same pairs"


def test_a_crowd_may_be_thinned_but_nothing_outside_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "EQUAL", 100)
    monkeypatch.setattr(neighbors, "NEARLY", 100)
    hashes, what = neighbors.draw("crowd", 260, 1, 0)
    assert what.startswith("100 equal, 100 nearly equal, of the rest 30 random pairs")
    rows = np.arange(260)
    mine, whole = neighbor_peers.ours(hashes, 8, rows, 1000), neighbor_peers.numpy(hashes, 8, rows, None)
    assert len(mine) < len(whole)
    for name, pairs in (("ours", mine), ("numpy", whole), ("rows", rows)):
        np.save(tmp_path / f"{name}.npy", pairs)
    assert neighbors.exact(tmp_path, "numpy", 260, 1000).endswith("and all 30 outside of the crowd")
    np.save(tmp_path / "ours.npy", mine[mine[:, 0] < 200])
    assert neighbors.exact(tmp_path, "numpy", 260, 1000).startswith("DIFFERENT: 0 pairs too many, 30 of 30")
