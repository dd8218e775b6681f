"""A child process that ends with us, however we end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

#: Whether a process can become another and ask who its parent is. Windows can't: there a process starts another one
#: and ends, the interpreter of a virtual environment is such a one, and only numbers of open sockets are not inherited.
POSIX = os.name == "posix"
_PATIENCE_SECONDS = 10
# Becomes the command, and asks Linux to kill it when our process is gone. It is done here and not in Popen's
# preexec_fn, which is unsafe in a process with threads. 1 is PR_SET_PDEATHSIG.
_LAUNCH = (
    "import ctypes, os, signal, sys\n"
    "if sys.platform == 'linux':\n"
    "    ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"
    "    if os.getppid() != int(sys.argv[1]):\n"
    "        sys.exit(1)\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, *, at_once: bool = False, inherited: Sequence[int] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` (its first item an absolute path) for as long as the context lasts.

    It has its own process group: Ctrl-C in the terminal reaches us only, and we end it when we are done. On Linux
    it also ends when we are killed. Call it from the main thread: Linux goes by the thread that started it.

    Args:
        command: what to run.
        log: the file that takes what it prints.
        at_once: kill it instead of asking it to end.
        inherited: file descriptors of ours that it gets under the same numbers.
    """
    with log.open("ab") as output:
        launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())] if POSIX else []
        process = subprocess.Popen(
            [*launch, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=inherited,
        )
    try:
        yield process
    finally:
        if not at_once:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE_SECONDS)
        process.kill()
        process.wait()


def end_with_parent(parent: int) -> None:
    """For a process that we started ourselves: end when the process `parent` does, even while a decoder runs.

    Linux sends the signal when the *thread* that started us ends. Elsewhere a thread of ours looks once a second. On
    Windows nothing is done: what we read from the parent ends with it.
    """
    if not POSIX:
        return
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    else:

        def look() -> None:
            while os.getppid() == parent:
                time.sleep(1)
            os._exit(1)

        threading.Thread(target=look, daemon=True).start()
    if os.getppid() != parent:  # it ended meanwhile
        os._exit(1)


def python_module(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in a Python like ours. ``-P``: modules of the current folder, which may be the
    user's own project or dataset (``json.py``, ``training/``), are not searched."""
    return [sys.executable, "-P", "-m", module, *arguments]


def import_path() -> str:
    """``PYTHONPATH`` for a child that imports imageclinic, wherever this one was imported from."""
    ours = str(Path(__file__).parents[3])
    return os.pathsep.join([ours, *filter(None, [os.environ.get("PYTHONPATH")])])


def last_line(log: Path) -> str:
    """The last line that was printed; says so when there is none."""
    lines = log.read_text("utf-8", "replace").strip().splitlines() if log.is_file() else []
    return lines[-1].strip() if lines else "it printed nothing"
