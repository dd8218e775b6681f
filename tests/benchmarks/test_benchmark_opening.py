"""The benchmark of opening a review: a made-up run is opened, and the App answers with its samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import opening


@pytest.mark.slow
def test_the_app_answers_with_the_samples_of_a_made_up_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    opening.make_run(run, 60)
    found = opening.opened(run)
    assert 0 < found.link < found.samples
    assert set(found.cpu) == {"ours", "server", "mongod"} and all(seconds > 0 for seconds in found.cpu.values())
