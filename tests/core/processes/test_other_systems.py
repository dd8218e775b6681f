"""What differs where Linux's calls are missing, shown by taking them away here. Nothing of this ran on Windows."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from imageclinic.core import atomic
from imageclinic.core.errors import InputError
from imageclinic.core.processes import child_process, signals
from imageclinic.core.reading import regular_files
from imageclinic.workflows import doctor
from tests.test_architecture import MODULES, relative

#: Of `os` and `signal`, what Windows or macOS lacks.
ELSEWHERE = """O_NONBLOCK O_CLOEXEC O_NOFOLLOW O_NOCTTY O_DIRECTORY mkfifo killpg getuid geteuid fork setsid pread
    pwrite sched_getaffinity sysconf statvfs SIGHUP SIGKILL SIGPIPE SIGUSR1 SIGUSR2 SIGALRM pthread_sigmask""".split()
#: (file, name) → why it may be used there without a look whether it is there.
GUARDED = {
    ("imageclinic/core/atomic.py", "O_NOFOLLOW"): "after a look for fcntl",
    ("imageclinic/core/atomic.py", "O_NONBLOCK"): "after a look for fcntl",
    ("imageclinic/core/atomic.py", "O_CLOEXEC"): "after a look for fcntl",
    ("imageclinic/core/processes/child_process.py", "SIGKILL"): "on Linux only",
    ("audit/scan/expendable_worker.py", "sysconf"): "AttributeError is caught",
    ("audit/scan/worker_process.py", "sysconf"): "AttributeError is caught",
}


def test_nothing_that_is_missing_elsewhere_is_used_without_a_look() -> None:
    used = {
        (relative(path), name)
        for path in MODULES
        for text in [path.read_text("utf-8")]
        for name in re.findall(rf"\b(?:os|signal)\.({'|'.join(ELSEWHERE)})\b", text)
        if not re.search(rf"hasattr\((?:os|signal), \"{name}\"\)", text)
    }
    assert used == set(GUARDED)
    needing = re.compile(r"^import (?:fcntl|resource|termios|pwd|grp|pty)\b", re.M)
    assert not [relative(path) for path in MODULES if needing.search(path.read_text("utf-8"))]


def test_files_are_opened_with_the_flags_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert regular_files.open_flags("O_NONBLOCK") == os.O_RDONLY | os.O_NONBLOCK
    monkeypatch.delattr(os, "O_NONBLOCK")
    monkeypatch.setattr(os, "O_BINARY", 1 << 15, raising=False)
    assert regular_files.open_flags("O_NONBLOCK") == os.O_RDONLY | 1 << 15


def test_the_end_of_a_terminal_is_no_signal_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGHUP")
    with pytest.raises(KeyboardInterrupt), signals.unwinding() as last:
        signal.raise_signal(signal.SIGTERM)
    assert last() == signal.SIGTERM


def test_files_are_renamed_when_they_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handles = []

    def mkstemp(**options: Any) -> tuple[int, str]:
        handle, path = tempfile.mkstemp(**options)
        handles.append(handle)
        return handle, path

    monkeypatch.setattr(atomic, "fcntl", None)
    monkeypatch.setattr(atomic, "tempfile", SimpleNamespace(mkstemp=mkstemp))
    with atomic.replacing(tmp_path / "a") as temporary:
        temporary.write_text("new")
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(handles[-1])
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "new"


def test_a_child_is_the_command_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "POSIX", False)
    with child_process.running([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log") as process:
        assert process.args == [sys.executable, "-c", "import time; time.sleep(60)"]
        assert process.poll() is None
    assert process.returncode == -signal.SIGTERM
    child_process.end_with_parent(-1)  # else this process would end here: it has another parent


def test_the_app_is_refused_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from imageclinic.cleaning.review import session

    monkeypatch.setattr(child_process, "POSIX", False)
    with pytest.raises(InputError, match="imageclinic decide"):
        session.open_review(tmp_path, announce=print, words=dict, rerank=[])


def test_trials_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from imageclinic.training.tune import studies

    def ends_it(process: int, number: int) -> None:
        raise AssertionError("on Windows this ends the process")

    monkeypatch.setattr(studies, "POSIX", False)
    monkeypatch.setattr(os, "kill", ends_it)
    assert studies._alive(1)


def test_doctor_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not list(doctor._packages()), "all is installed here"
    monkeypatch.setattr(child_process, "POSIX", False)
    monkeypatch.setattr(doctor.optional_packages, "installed", lambda package: package != "fiftyone")
    assert [(what, state) for what, state, _, _ in doctor._system()][:1] == [("system", "lacking")]
    assert [(what, remedy) for what, _, _, remedy in doctor._packages()] == [("fiftyone", "pip install fiftyone")]
