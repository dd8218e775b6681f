"""A batch of decisions counts whole or not at all, wherever a kill cuts it off; others' scripts can read the log."""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pandas as pd
import pytest

from imageclinic.cleaning.decisions import batches, decision_log, log_file
from imageclinic.core import tables
from imageclinic.core.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
NOTE = 'of two\nlines, with "quotes" and =signs'


def events(n: int, batch: str = "second") -> pd.DataFrame:
    return pd.DataFrame(
        {"image_id": [f"a/{i:05}.png" for i in range(n)], "decision": "drop", "reviewer": "ann", "note": NOTE}
    ).assign(batch=batch)


def rows_of(log: Path, batch: str = "second") -> int:
    return int(decision_log.read(log)["batch"].eq(batch).sum())


@pytest.fixture
def cut(tmp_path: Path) -> tuple[Path, bytes]:
    """A log of three rows, the bytes of the next batch of three, and the file that holds it meanwhile."""
    log = tmp_path / "decisions.csv"
    decision_log.append(log, events(3, "first"))
    rows = decision_log.filled(events(3), "test")
    batches.pending_file(log).write_text(log_file.as_text(rows, header=True), "utf-8")
    return log, log_file.as_text(rows).encode()


def test_cut_off_anywhere_it_counts_whole_and_the_log_is_completed(cut: tuple[Path, bytes]) -> None:
    log, text = cut
    start, pending = log.read_bytes(), batches.pending_file(log).read_bytes()
    row = text.index(b"\n", 200)
    for n in (*range(0, row, 13), *range(row - 8, row + 8), *range(row, len(text), 29), len(text) - 1, len(text)):
        log.write_bytes(start + text[:n])
        batches.pending_file(log).write_bytes(pending)
        assert rows_of(log) == 3
        assert log.read_bytes() == start + text, "completed by whoever reads, for others' scripts too"
        assert not batches.pending_file(log).exists()


def test_where_nothing_can_be_written_the_batch_counts_all_the_same(cut: tuple[Path, bytes]) -> None:
    log, text = cut
    start = log.read_bytes()
    with filelock.FileLock(log.with_name(f".{log.name}.lock")):  # a writer is at work: the log is left to it
        for n in range(0, len(text) + 1, 29):
            log.write_bytes(start + text[:n])
            read = decision_log.read(log)
            assert read["batch"].tolist() == ["first"] * 3 + ["second"] * 3
            assert read["note"].tolist() == [NOTE] * 6
    assert batches.pending_file(log).exists()


def test_the_next_append_and_undo_complete_it_first(cut: tuple[Path, bytes]) -> None:
    log, text = cut
    start, pending = log.read_bytes(), batches.pending_file(log).read_bytes()
    log.write_bytes(start + text[: len(text) // 2])
    decision_log.append(log, events(1, "third"))
    assert decision_log.read(log)["batch"].tolist() == ["first"] * 3 + ["second"] * 3 + ["third"]
    log.write_bytes(start + text[: len(text) // 2])
    batches.pending_file(log).write_bytes(pending)
    assert len(decision_log.undo_batch(log, "ann")) == 3
    assert rows_of(log) == 3 and not batches.pending_file(log).exists()


def test_the_first_batch_of_a_run_can_be_cut_off_before_there_is_a_log(tmp_path: Path) -> None:
    log = tmp_path / "decisions.csv"
    rows = decision_log.filled(events(3), "test")
    batches.pending_file(log).write_text(log_file.as_text(rows, header=True), "utf-8")
    assert rows_of(log) == 3
    assert log.read_text("utf-8") == log_file.as_text(rows, header=True)


def test_the_log_stays_append_only_and_any_csv_reader_reads_it(tmp_path: Path) -> None:
    log = tmp_path / "decisions.csv"
    seen = b""
    for n in (1, 3, 2):
        decision_log.append(log, events(n, f"of {n}"))
        now = log.read_bytes()
        assert now.startswith(seen)
        seen = now
    with log.open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [row["batch"] for row in found] == ["of 1", *["of 3"] * 3, *["of 2"] * 2]
    assert list(found[0]) == tables.DECISION_LOG.names
    assert len(pd.read_csv(log)) == 6
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == ["decisions.csv"]


def test_a_log_of_an_earlier_version_is_read_as_it_is(tmp_path: Path) -> None:
    """Its batches have no mark; every whole row counts, also of a batch that was cut off then."""
    log = tmp_path / "decisions.csv"
    text = log_file.as_text(decision_log.filled(events(3), "test"), header=True)
    log.write_text(text + text.split("\n", 1)[1][:40], "utf-8")
    assert rows_of(log) == 3


def test_a_damaged_header_is_named_while_a_batch_waits(cut: tuple[Path, bytes]) -> None:
    log, _ = cut
    log.write_text(log.read_text("utf-8").replace("decision_id,", "id,", 1), "utf-8")
    with pytest.raises(InputError, match="line 1: no columns decision_id"):
        decision_log.read(log)
    assert batches.pending_file(log).exists(), "it waits on"


def test_a_disk_that_is_full_records_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "decisions.csv"
    decision_log.append(log, events(2, "first"))

    def full(handle: int) -> None:
        if os.fstat(handle).st_ino == log.stat().st_ino:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"No space left on device\. Nothing was recorded"):
        decision_log.append(log, events(5))
    monkeypatch.undo()
    assert decision_log.read(log)["batch"].tolist() == ["first"] * 2


SCRIPT = """
import sys
from pathlib import Path
from tests.cleaning.decisions.test_batches import events
from imageclinic.cleaning.decisions import batches, decision_log
rows = decision_log.filled(events(int(sys.argv[2])), "test")
print("go", flush=True)
sys.stdin.readline()
batches.append(Path(sys.argv[1]), rows)
print("end", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("n", [20_000])
def test_killed_at_random_moments_all_or_nothing(tmp_path: Path, n: int) -> None:
    """`python -m benchmarks.kills decide` does it with 60,000 through the command."""
    log, rng, outcomes = tmp_path / "decisions.csv", random.Random(0), []
    decision_log.append(log, events(3, "first"))
    start, took = log.read_bytes(), 0.0
    for attempt in range(8):
        log.write_bytes(start)
        command = [sys.executable, "-c", SCRIPT, str(log), str(n)]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as process:
            assert process.stdin and process.stdout
            process.stdout.readline()
            began = time.monotonic()
            process.stdin.write(b"\n")
            process.stdin.flush()
            if attempt == 0:
                process.stdout.readline()
                took = time.monotonic() - began
            else:
                time.sleep(rng.uniform(0, took))
            process.send_signal(signal.SIGKILL)
        shutil.copyfile(log, tmp_path / "torn.csv")
        outcomes.append(rows_of(log))
        assert outcomes[-1] in (0, n)
        assert log.read_bytes().startswith(start)
        for left in tmp_path.glob("*.pending"):
            left.unlink()
    assert outcomes[0] == n
