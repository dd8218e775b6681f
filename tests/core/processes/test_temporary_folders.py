"""Temporary folders and files are gone after a signal, and after a kill with the next command; nothing else is."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imageclinic.core import atomic
from imageclinic.core.processes import temporary_folders
from imageclinic.core.processes.signals import unwinding
from imageclinic.core.processes.temporary_folders import sweep, temporary_folder

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys, time
from pathlib import Path
from imageclinic.core.atomic import replacing
from imageclinic.core.processes.signals import unwinding
from imageclinic.core.processes.temporary_folders import temporary_folder
folder = Path(sys.argv[1])
with unwinding(), temporary_folder("ours-", parent=folder) as scratch, replacing(folder / "table") as temporary:
    (scratch / "file").write_text("x")
    temporary.write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMAGECLINIC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "temporary"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def started(work: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(work)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    return process


def ended(process: subprocess.Popen[bytes], number: int) -> None:
    process.send_signal(number)
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_removes_them_at_once(work: Path, cache: Path, number: int) -> None:
    process = started(work)
    assert len(list(work.iterdir())) == 2
    ended(process, number)
    assert list(work.iterdir()) == []
    assert list(cache.iterdir()) == []


def test_after_a_kill_the_next_removes_them(work: Path, cache: Path) -> None:
    ended(started(work), signal.SIGKILL)
    assert len(list(work.iterdir())) == 2
    (work / ".table.notours.tmp").write_text("of somebody else")
    sweep()
    with atomic.replacing(work / "table") as temporary:
        temporary.write_text("whole")
    assert sorted(path.name for path in work.iterdir()) == [".table.notours.tmp", "table"]
    assert list(cache.iterdir()) == []


def test_what_a_living_process_uses_stays(work: Path) -> None:
    process = started(work)
    before = sorted(work.iterdir())
    sweep()
    atomic.sweep(work)
    assert sorted(work.iterdir()) == before
    ended(process, signal.SIGINT)


def test_nothing_but_a_folder_of_the_random_name_is_removed(work: Path, cache: Path, tmp_path: Path) -> None:
    """Records may be damaged, of another machine, or changed by somebody."""
    precious, link = work / "precious", work / "ours-0123456789abcdef"
    precious.mkdir()
    (precious / "file").write_text("x")
    link.symlink_to(precious)
    cache.mkdir(parents=True)
    here = socket.gethostname()
    for name, record in {
        "aaaaaaaaaaaaaaaa": {"host": here, "folder": str(precious), "lock_files": []},
        "": {"host": here, "folder": str(precious), "lock_files": []},
        "precious": {"host": here, "folder": str(precious), "lock_files": []},
        "0123456789abcdef": {"host": here, "folder": str(link), "lock_files": [str(precious / "file")]},
        "bbbbbbbbbbbbbbbb": {"host": "elsewhere", "folder": str(work / "bbbbbbbbbbbbbbbb"), "lock_files": []},
        "cccccccccccccccc": ["no", "record"],
        "dddddddddddddddd": {"host": here},
    }.items():
        (cache / f"{name}.json").write_text(json.dumps(record))
    (cache / "eeeeeeeeeeeeeeee.json").write_bytes(b"\xff{")
    (work / "bbbbbbbbbbbbbbbb").mkdir()
    sweep()
    assert (precious / "file").read_text() == "x"
    assert (work / "bbbbbbbbbbbbbbbb").is_dir()


def test_without_a_cache_folder_it_works_all_the_same(work: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    with temporary_folder("x-", parent=work) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(work.iterdir()) == []


def test_the_umask_is_heeded(work: Path) -> None:
    script = "import pathlib, sys\nfrom imageclinic.core.atomic import write_text\n"
    script += "write_text(pathlib.Path(sys.argv[1]), 'x')"
    for mask, mode in ((0o077, 0o600), (0o022, 0o644), (0o002, 0o664)):
        file = work / f"{mask:o}"
        subprocess.run(
            [sys.executable, "-c", script, str(file)],
            check=True,
            umask=mask,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert file.stat().st_mode & 0o777 == mode


@pytest.fixture
def defaults() -> Iterator[None]:
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("defaults")
def test_which_signal_it_was_is_known_and_an_ignored_one_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with unwinding() as last:
        assert last() == signal.SIGINT
        signal.raise_signal(signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert last() == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_temporary_folders_are_made_in_one_place() -> None:
    """`tempfile` gives names that nothing sweeps after a kill."""
    found = [
        str(path.relative_to(ROOT))
        for room in ("audit", "cleaning", "training", "imageclinic")
        for path in (ROOT / room).rglob("*.py")
        if any(word in path.read_text("utf-8") for word in ("TemporaryDirectory", "mkdtemp", "NamedTemporaryFile"))
    ]
    assert found == []
    assert temporary_folders.sweep is sweep
