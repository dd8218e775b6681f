"""The benchmark that kills commands finds an all-or-nothing import, and says so when it is not."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from benchmarks import killed_commands, kills
from imageclinic.cleaning.decisions import decision_log
from imageclinic.core.run import open_run


@pytest.mark.slow
def test_an_import_that_is_killed_counts_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(killed_commands, "DECISIONS", 500)
    command = next(c for c in killed_commands.COMMANDS if c.name == "decide")
    seen = kills.measure(command, 3, signal.SIGKILL, 0, lambda line: None)
    assert seen.kills == 3
    assert (seen.torn, seen.differs, seen.outlived, seen.left) == ([], [], [], [])


def test_half_a_batch_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(killed_commands, "DECISIONS", 20)
    killed_commands.many_images(tmp_path)
    assert killed_commands.all_or_nothing(tmp_path) is None
    rows = "".join(f"{n},b,a/{n}.png,,,drop,,,,,ranked,,,ann,2026-01-01T00:00:00Z,\n" for n in range(7))
    header = decision_log.TABLE.names
    open_run(tmp_path / "run").decisions.write_text(",".join(header) + "\n" + rows, "utf-8")
    assert killed_commands.all_or_nothing(tmp_path) == "7 of 20 decisions count"


def test_what_is_hidden_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    before = kills._hidden(tmp_path)
    for name in (".out.partial-1", "a.pending", "tmp/imageclinic-x"):
        (tmp_path / name).write_text("")
    assert kills._hidden(tmp_path) - before == {".out.partial-1", "a.pending", "tmp/imageclinic-x"}
