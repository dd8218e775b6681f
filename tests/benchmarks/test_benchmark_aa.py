"""The A/A benchmark: a few runs, what it counts, and that it goes on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import aa

pytestmark = pytest.mark.slow


def test_a_few_runs_claim_little_and_are_not_done_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "runs.csv"
    aa.main(["--runs", "2", "--seeds", "2", "--to", str(file)])
    first = pd.read_csv(file)
    assert first["run"].tolist() == [0, 0, 1, 1]
    assert set(first["arms"]) == set(aa.PAIRS)
    assert (first["low"] <= first["estimate"]).all()
    assert (first["estimate"] <= first["high"]).all()
    assert first["estimate"].abs().max() < 0.05
    assert first["estimate"].nunique() > 1  # each run draws its own images
    pd.concat([first, first.tail(2).assign(run=2, verdict="gain")]).to_csv(file, index=False)
    capsys.readouterr()
    aa.main(["--runs", "3", "--seeds", "2", "--to", str(file)])
    printed = capsys.readouterr().out
    gains = (first["verdict"] == "gain").groupby(first["arms"]).sum() + 1
    for arms in aa.PAIRS:
        assert f"| {arms.ljust(20)} | {gains[arms]}/3 " in printed
