"""The database under the App: which one, started, ended, and the message when there is none."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pymongo
import pytest

from imageclinic.cleaning.review.database import find_mongod, mongod
from imageclinic.core.errors import InputError
from imageclinic.core.processes.temporary_folders import sweep

pytestmark = pytest.mark.slow


def silent(line: str) -> None:
    assert line


@pytest.fixture(autouse=True)
def no_database_of_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FIFTYONE_DATABASE_URI", raising=False)
    monkeypatch.setenv("FIFTYONE_CONFIG_PATH", str(tmp_path / "none.json"))


@pytest.fixture
def only_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Put a program called mongod on the PATH, and hide every other."""

    def put(script: str) -> Path:
        binary = tmp_path / "bin" / "mongod"
        binary.parent.mkdir()
        binary.write_text(f"#!/bin/sh\n{script}\n")
        binary.chmod(0o755)
        monkeypatch.setenv("PATH", f"{binary.parent}:/usr/bin:/bin")
        monkeypatch.setattr(find_mongod, "_fiftyones_binary", lambda: None)
        monkeypatch.setenv("IMAGECLINIC_CACHE", str(tmp_path / "cache"))
        return binary

    return put


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def gone(pid: int) -> bool:
    for _ in range(200):
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False


def sockets_of(pid: int) -> tuple[list[object], list[Path]]:
    """TCP addresses that a process listens on, and the paths of its Unix sockets."""
    process = psutil.Process(pid)
    unix = {Path(str(connection.laddr)) for connection in process.net_connections("unix") if connection.laddr}
    return process.net_connections("inet"), sorted(unix)


def locked_for_others(path: Path) -> bool:
    """Whether the folder of a socket lets only its owner in."""
    return stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_it_answers_on_a_socket_of_the_users_only_and_leaves_nothing() -> None:
    with mongod.running(silent) as database:
        assert database.process and database.folder
        with pymongo.MongoClient(database.uri) as client:
            assert client.admin.command("ping")["ok"] == 1  # connects: before that there is no address
        tcp, unix = sockets_of(database.process.pid)
        assert tcp == []
        assert unix and all(locked_for_others(path) for path in unix)
        database.check()
        assert database.folder.is_dir()
    assert not alive(database.process.pid)
    assert not database.folder.exists()
    assert not database.folder.with_suffix(".lock").exists()


@pytest.mark.parametrize("name", ["n" * 120, "comma,comma"])
def test_a_cache_whose_path_is_no_place_for_a_socket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    binary = find_mongod.find()
    monkeypatch.setenv("IMAGECLINIC_CACHE", str(tmp_path / name))
    monkeypatch.setattr(find_mongod, "find", lambda: binary)
    monkeypatch.setattr(mongod, "find", lambda: binary)
    with mongod.running(silent) as database:
        assert database.process
        with pymongo.MongoClient(database.uri) as client:
            assert client.admin.command("ping")["ok"] == 1
        tcp, unix = sockets_of(database.process.pid)
        assert tcp == []
        assert unix and all(locked_for_others(path) for path in unix)
    assert not any(path.parent.exists() for path in unix)


def test_it_ends_with_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), mongod.running(silent) as database:
        raise ZeroDivisionError
    assert database.process and not alive(database.process.pid)


def test_a_database_that_dies_is_noticed() -> None:
    with mongod.running(silent) as database:
        assert database.process
        database.process.kill()
        database.process.wait()
        with pytest.raises(InputError, match=r"stopped .*decisions\.csv"):
            database.check()


# Other systems than Linux can't be asked to end the child of a process that was killed.
SIGNALS = [signal.SIGINT, *([signal.SIGKILL, signal.SIGTERM] if sys.platform == "linux" else [])]


@pytest.mark.parametrize("number", SIGNALS)
def test_it_ends_when_we_are_killed(number: signal.Signals) -> None:
    code = (
        "import time; from imageclinic.cleaning.review.database import mongod\n"
        "with mongod.running(print) as database:\n"
        "    print('PID', database.process.pid, database.folder, flush=True); time.sleep(100)"
    )
    ours = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with ours:
        assert ours.stdout
        _, pid, folder = next(line for line in ours.stdout if line.startswith("PID")).split()
        ours.send_signal(number)
    assert gone(int(pid))
    sweep()  # as the next command does, whichever it is
    assert not Path(folder).exists()


def test_the_users_database_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    with mongod.running(silent) as ours:
        monkeypatch.setenv("FIFTYONE_DATABASE_URI", ours.uri)
        with mongod.running(silent) as theirs:
            assert theirs == mongod.Database(ours.uri)
        assert ours.process and alive(ours.process.pid)


def test_fiftyones_config_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"database_uri": "mongodb://ann:secret@db.example/"}')
    monkeypatch.setenv("FIFTYONE_CONFIG_PATH", str(config))
    assert find_mongod.find().source == "uri"
    assert "db.example" in find_mongod.describe()
    assert "secret" not in find_mongod.describe()
    config.write_text("[]")
    with pytest.raises(InputError, match=r"config\.json is no JSON object"):
        find_mongod.find()


@pytest.mark.parametrize("uri", ["mongodb://ann:secret@127.0.0.1:9/", "localhost:27017", "mongodb://"])
def test_a_dead_or_wrong_address_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", uri)
    with pytest.raises(InputError, match="FIFTYONE_DATABASE_URI") as caught, mongod.running(silent):
        pass
    assert "secret" not in str(caught.value)


def test_one_on_the_path_is_used(only_on_path: Callable[[str], Path]) -> None:
    binary = only_on_path("echo db version v7.0.14")
    assert find_mongod.find() == find_mongod.Found("path", str(binary), "7.0.14", ("FiftyOne's own mongod: none",))
    assert f"mongod 7.0.14, {binary}" in find_mongod.describe()


@pytest.mark.parametrize(
    ("script", "why"),
    [("echo db version v5.0.31", "version 5.0.31"), ("echo libssl is missing >&2; exit 127", "libssl is missing")],
)
def test_an_old_or_broken_one_is_passed_over(only_on_path: Callable[[str], Path], script: str, why: str) -> None:
    only_on_path(script)
    found = find_mongod.find()
    assert found.source in ("wheel", "nothing")
    assert any(why in reason for reason in found.passed_over)
    assert why in find_mongod.describe()


def test_one_that_does_not_start_says_why(only_on_path: Callable[[str], Path]) -> None:
    only_on_path('[ "$1" = --version ] && echo db version v7.0.14 && exit 0; echo the disk is full; exit 14')
    with pytest.raises(InputError, match=r"status 14.*the disk is full"), mongod.running(silent):
        pass


def test_a_cache_that_cant_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IMAGECLINIC_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="Set IMAGECLINIC_CACHE"), mongod.running(silent):
        pass


def test_nothing_to_fetch_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "uv"), "PIP_NO_INDEX": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    lines: list[str] = []
    with pytest.raises(InputError, match="set FIFTYONE_DATABASE_URI"):
        find_mongod.fetch(tmp_path, lines.append)
    assert "42 MB" in lines[0]
    assert {path.suffix for path in tmp_path.iterdir()} <= {".lock", ""}
    assert not list(tmp_path.glob(".fetching*"))


def test_the_child_has_its_own_process_group() -> None:
    with mongod.running(silent) as database:
        assert database.process
        assert os.getpgid(database.process.pid) == database.process.pid
