"""A worker process that is started early: its imports go on while our own do, and while the dataset is listed."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

from imageclinic.core.processes.child_process import import_path, python_module

#: Started, and not yet taken.
_waiting: list[subprocess.Popen[bytes]] = []


@contextlib.contextmanager
def waiting(wanted: bool) -> Iterator[None]:
    """One process waits for a scan for as long as the context lasts, if it is `wanted`; ended if no scan took it.

    Enter it in the main thread: Linux ends the process with the thread that started it.
    """
    if wanted:
        _waiting.append(started())
    try:
        yield
    finally:
        while (process := taken()) is not None:
            process.kill()
            process.communicate()


def taken() -> subprocess.Popen[bytes] | None:
    """The process that waits, which is the caller's from now on; None where none does, or where it has ended."""
    with contextlib.suppress(IndexError):
        while True:
            process = _waiting.pop()
            if process.poll() is None:
                return process
            process.communicate()
    return None


def started() -> subprocess.Popen[bytes]:
    """A new worker process (`audit.scan.worker`), without work."""
    settings = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")}
    # Memory that a batch has used stays for the next: asking the system again takes as long as the statistics.
    settings |= {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(128 << 20)}
    return subprocess.Popen(
        python_module("imageclinic.audit.scan.worker", str(os.getpid())),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # decoders' chatter; our own errors come as answers
        env={**os.environ, **settings, "PYTHONPATH": import_path()},
    )
