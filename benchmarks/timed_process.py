"""Seconds and peak memory of a command with all its children."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

#: Seconds between looks at the memory.
_SAMPLING = 0.2
Command = Sequence[str | Path]


def timed(command: Command) -> tuple[float, int, str]:
    """Seconds, peak memory of the process tree in bytes, and output of a command.

    Raises:
        RuntimeError: it failed; the message holds what it printed.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors)
        peak, done = [0], threading.Event()
        sampler = threading.Thread(target=_sample, args=(process.pid, peak, done))
        sampler.start()
        status = process.wait()
        seconds = time.perf_counter() - start
        done.set()
        sampler.join()
        output.seek(0)
        errors.seek(0)
        if status:
            raise RuntimeError(f"{' '.join(map(str, command))}: status {status}\n{errors.read()[-2000:]}")
        return seconds, peak[0], output.read()


def _sample(pid: int, peak: list[int], done: threading.Event) -> None:
    while not done.is_set():
        with contextlib.suppress(psutil.NoSuchProcess):
            tree = psutil.Process(pid)
            peak[0] = max(peak[0], sum(map(_memory, [tree, *tree.children(recursive=True)])))
        done.wait(_SAMPLING)


def _memory(process: psutil.Process) -> int:
    """Bytes, shared pages divided among those that share them where the system reports that."""
    try:
        found = process.memory_full_info()
    except psutil.Error:  # it has ended, or is another's
        return 0
    return int(getattr(found, "pss", found.rss))
