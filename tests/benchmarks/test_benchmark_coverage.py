"""The simulated coverage of a comparison's interval: a small run of the benchmark."""

from __future__ import annotations

import pytest

from benchmarks import coverage

pytestmark = pytest.mark.slow


def test_ours_holds_the_truth_where_one_variance_alone_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    coverage.main(["--runs", "100"])
    rows = [line.strip("|").split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| 0")]
    assert len(rows) == len(coverage.SPREADS)
    held = [int(row[3].split("/")[0]) / 100 for row in rows]
    alone = [[float(row[column].strip(" %")) / 100 for row in rows] for column in (6, 7)]
    assert min(held) >= 0.85
    assert sum(held) / len(held) >= 0.92
    assert all(min(shares) < 0.9 for shares in alone)
