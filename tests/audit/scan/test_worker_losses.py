"""A worker that ends or stalls says little about the file that it was at: what the machine may have done costs tries,
not images; and whatever ends an audit ends its workers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from imageclinic.audit.listing import image_listing
from imageclinic.audit.scan import measure, scan, verdicts
from imageclinic.audit.scan.verdicts import Loss, loss
from imageclinic.audit.scan.worker import POSITION
from imageclinic.cleaning.decisions.policies import policy
from imageclinic.core import tables
from imageclinic.core.run import Run, create
from imageclinic.workflows.audit import audit
from tests.conftest import picture

ROOT = Path(__file__).resolve().parents[3]


def scanned(run: Run, folder: Path, **options) -> tuple[pd.Series, list[str], int]:
    """The read errors by image id, the notes, and how many files were read."""
    notes: list[str] = []
    counts: list[int] = []
    listing = image_listing.load(folder)
    dataset, _ = scan.scan(
        run, listing.images, listing.root, workers=1, notes=notes, progress=lambda n, _: counts.append(n), **options
    )
    assert not list(run.shards.iterdir()), "shards and the workers' small files are gone"
    return dataset.set_index("image_id")["read_error"].dropna(), notes, counts[-1] - counts[0]


@contextlib.contextmanager
def met(run: Path, image: int, signal_number: int, times: int) -> Iterator[list[int]]:
    """Send a signal to workers as soon as they decode the slow picture: file `image` of the first job, or alone."""
    hit: list[int] = []
    over = threading.Event()

    def wait() -> None:
        process = None
        while not over.is_set() and len(hit) < times:
            # Looked up before it is needed: that takes longer than most pictures.
            if process is None or process.pid in hit or not process.is_running():
                process = next((p for p in workers_of(os.getpid()) if p.pid not in hit), None)
            for beat in (run / "shards").glob(".worker-*"):
                with contextlib.suppress(FileNotFoundError, struct.error, psutil.NoSuchProcess):
                    at = POSITION.unpack(beat.read_bytes())
                    alone = not hit or image == 0 or any((run / "shards").glob("*.arrow"))
                    if at == (image if not hit else 0, True) and alone and process is not None:
                        process.send_signal(signal_number)
                        hit.append(process.pid)
                        process = None
            time.sleep(0.002)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    try:
        yield hit
    finally:
        over.set()
        thread.join()


def workers_of(process: int) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(process).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "imageclinic.audit.scan.worker" in child.cmdline():
                found.append(child)
    return found


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that takes a while."""
    path = tmp_path_factory.mktemp("noise") / "noise.png"
    Image.effect_noise((4000, 4000), 60).save(path, compress_level=0)
    return path


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file of many pixels, which are computed for seconds."""
    path = tmp_path_factory.mktemp("huge") / "huge.png"
    Image.new("RGB", (13000, 13000)).save(path, compress_level=1)
    return path


@pytest.fixture
def slow(folder: Path, noise: Path) -> Path:
    """Sixteen pictures of which cat/5.png takes a while."""
    shutil.copyfile(noise, folder / "cat" / "5.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGSTOP])
def test_a_worker_lost_once_costs_a_try_and_no_image(slow: Path, tmp_path: Path, signal_number: int) -> None:
    run = create(tmp_path / "run")
    with met(run.path, 5, signal_number, 1) as hit:
        errors, notes, _ = scanned(run, slow, timeout=2)
    assert len(hit) == 1
    assert errors.empty
    seen = "no answer in 8 seconds" if signal_number == signal.SIGSTOP else signal.Signals(signal_number).name
    assert len(notes) == 1
    assert notes[0].startswith("1 files could be read only when they were tried again, alone, such as cat/5.png: ")
    assert seen in notes[0] and notes[0].endswith("in 1 of 2 tries")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signal_number", "error"),
    [
        (signal.SIGSEGV, "crashes the decoder: SIGSEGV, in 3 of 3 tries"),
        (signal.SIGSTOP, "not judged: no answer in 4 seconds, of which it had a processor for 0."),
    ],
)
def test_a_worker_lost_every_time_gives_a_verdict_that_the_next_audit_tries_again(
    slow: Path, tmp_path: Path, signal_number: int, error: str
) -> None:
    run = create(tmp_path / "run")
    with met(run.path, 5, signal_number, 3) as hit:
        errors, notes, _ = scanned(run, slow, timeout=1 if signal_number == signal.SIGSTOP else 30)
    assert len(hit) == 3
    assert list(errors.index) == ["cat/5.png"]
    assert errors["cat/5.png"].startswith(error)
    assert notes == []
    dataset = run.read_dataset().set_index("image_id")
    assert dataset["sha256"].notna().all(), "what was seen is about this content"
    assert len(run.read(tables.FEATURES)) == 15
    errors, _, read = scanned(run, slow)
    assert (len(errors), read) == (0, 1), "it is tried again, and nothing else"


@pytest.mark.slow
def test_a_decoder_that_computes_for_too_long_hangs(folder: Path, huge: Path, tmp_path: Path) -> None:
    shutil.copyfile(huge, folder / "cat" / "5.png")
    run = create(tmp_path / "run")
    errors, _, _ = scanned(run, folder, timeout=0.5)
    assert errors.to_dict() == {
        "cat/5.png": "hangs the decoder: no answer in 0.5 seconds of computing, in 3 of 3 tries"
    }


def test_what_ends_a_process_is_distinguished() -> None:
    assert loss(-9, read=True) == Loss("not judged", "its process was killed from outside (SIGKILL)")
    assert loss(-15, read=True).kind == loss(-1, read=True).kind == "not judged"
    assert loss(-9, read=False).kind == loss(-11, read=False).kind == "can't be read"
    assert {loss(-n, read=True).kind for n in (4, 6, 7, 8, 11)} == {"crashes the decoder"}
    assert loss(1, read=True) == Loss("crashes the decoder", "exit status 1")
    assert loss(-9, read=True, timeout=30, computed=31).kind == "hangs the decoder"
    assert loss(-9, read=True, timeout=30, computed=None).kind == "hangs the decoder"
    assert loss(-9, read=True, timeout=30, computed=2).kind == "not judged"
    assert loss(-9, read=False, timeout=30, computed=0).kind == "can't be read"


def test_one_try_that_may_be_the_machines_fault_is_enough_for_no_verdict() -> None:
    crash, kill, unread = loss(-11, read=True), loss(-9, read=True), loss(-9, read=False)
    assert verdicts.verdict([crash, crash, crash]) == "crashes the decoder: SIGSEGV, in 3 of 3 tries"
    killed = "its process was killed from outside (SIGKILL)"
    mixed = f"not judged: SIGSEGV, in 2 of 3 tries, {killed}, in 1 of 3 tries"
    assert verdicts.verdict([crash, kill, crash]) == mixed
    assert verdicts.verdict([kill, unread, kill]) == f"can't be read: {killed}, in 3 of 3 tries"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "rehash"),
    [("crashes the decoder: SIGKILL", False), ("hangs the decoder: no answer in 30 seconds", True)],
)
def test_a_verdict_in_the_tables_of_an_earlier_scan_is_not_kept(
    folder: Path, tmp_path: Path, old: str, rehash: bool
) -> None:
    """As an earlier version wrote it, with the version of its rows made current."""
    run = create(tmp_path / "run")
    scanned(run, folder)
    path = run.table_path(tables.DATASET)
    table = pq.read_table(path)
    at = table["image_id"].to_pylist().index("dog/2.png")
    errors = [old if n == at else None for n in range(len(table))]
    where = table.schema.get_field_index("read_error")
    pq.write_table(table.set_column(where, table.schema.field(where), [pa.array(errors, pa.string())]), path)
    errors, _, read = scanned(run, folder, rehash=rehash)
    assert (len(errors), read) == (0, 1)


@pytest.mark.slow
def test_a_policy_for_corrupted_images_leaves_what_was_not_judged(slow: Path, tmp_path: Path) -> None:
    (slow / "cat" / "0.png").write_bytes(b"")
    with met(tmp_path / "run", 5, signal.SIGKILL, 3):
        done = audit(slow, tmp_path / "run", checks=("corrupted", "unreadable_here"), workers=1)
    found = done.issues.set_index("image_id")
    assert found["suggested_action"].to_dict() == {"cat/0.png": "drop", "cat/5.png": "review"}
    assert "killed from outside (SIGKILL), in 3 of 3 tries" in found["evidence"]["cat/5.png"]
    dataset = done.run.read_dataset()
    events = policy.policy_events(
        {"corrupted": 0, "unreadable_here": 0},
        name="test",
        dataset=dataset,
        issues=done.issues,
        clusters=tables.empty(tables.CLUSTERS),
        features=done.run.read(tables.FEATURES),
        splits=tables.empty(tables.SPLIT_TABLE),
        current=pd.DataFrame({"image_id": [], "reviewer": [], "decision": [], "label": []}, dtype="str"),
    )
    assert events["image_id"].tolist() == ["cat/0.png"]
    again = audit(slow, tmp_path / "run", checks=("corrupted", "unreadable_here"), workers=1)
    assert again.issues["image_id"].tolist() == ["cat/0.png"], "the next audit clears it"


@pytest.mark.slow
def test_a_pause_is_no_stall(slow: Path, tmp_path: Path) -> None:
    """Ctrl-Z stops the audit and its workers, `fg` lets them go on: here after longer than the timeout."""
    command = [sys.executable, "-m", "imageclinic", "audit", str(slow), "--out", str(tmp_path / "run")]
    command += ["--checks", "corrupted", "--workers", "1", "--timeout", "2"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        while not any(POSITION.unpack(b.read_bytes()) == (5, True) for b in beats(tmp_path / "run")):
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(5)
        os.killpg(process.pid, signal.SIGCONT)
        assert process.stdout
        printed = process.stdout.read()
    assert process.returncode == 0
    assert "tried again" not in printed
    assert create(tmp_path / "run").read_dataset()["read_error"].isna().all()


def beats(run: Path) -> list[Path]:
    return [path for path in (run / "shards").glob(".worker-*") if path.stat().st_size == POSITION.size]


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_workers_end_with_their_audit(huge: Path, tmp_path: Path, signal_number: int) -> None:
    """While they decode pictures that take long."""
    folder = tmp_path / "data" / "a"
    folder.mkdir(parents=True)
    for n in range(2):
        shutil.copyfile(huge, folder / f"{n}.png")
    for n in range(20):
        picture(n).save(folder / f"small-{n}.png")
    command = [sys.executable, "-m", "imageclinic", "audit", str(folder.parent), "--out", str(tmp_path / "run")]
    process = subprocess.Popen([*command, "--checks", "dark", "--workers", "2"], cwd=ROOT, stderr=subprocess.DEVNULL)
    while not any(POSITION.unpack(b.read_bytes())[0] in (0, 1) for b in beats(tmp_path / "run")):
        time.sleep(0.01)
    workers = workers_of(process.pid)
    assert workers
    process.send_signal(signal_number)
    process.wait()
    assert psutil.wait_procs(workers, timeout=10)[1] == []


def test_the_version_of_rows_is_newer_than_the_one_that_kept_such_verdicts() -> None:
    assert int(measure.VERSION) > 5
