"""Runs jobs in expendable worker processes: one that dies or stalls costs the file it was at, and no more."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imageclinic.audit.scan.scan_options import TIMEOUT
from imageclinic.audit.scan.worker import POSITION
from imageclinic.core.errors import InputError
from imageclinic.core.processes.child_process import import_path, python_module

#: Seconds between looks at the workers.
_POLL = 0.2
_CANT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Job:
    """Files to measure: `ids` and `paths` (relative to `root`), and the Arrow file to write their rows to."""

    root: str
    ids: list[str]
    paths: list[str]
    shard: Path
    max_pixels: int
    verdicts: dict[int, str] = field(default_factory=dict)


class _Died(Exception):
    """A worker ended, or was ended, at file `at`. The message is the verdict on that file."""

    def __init__(self, at: int, verdict: str) -> None:
        super().__init__(verdict)
        self.at = at


class _Worker:
    """One process, and the mapped file in which it says where it is."""

    def __init__(self, beat: Path, memory: int) -> None:
        self.path = beat
        self.beat = beat.open("w+b", buffering=0)
        self.beat.write(POSITION.pack(-1, False))
        settings = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")}
        # Memory that a batch has used stays for the next: asking the system anew takes as long as the statistics.
        settings |= {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(128 << 20)}
        self.process = subprocess.Popen(
            python_module("imageclinic.audit.scan.worker", str(beat), str(memory)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders' chatter; our own errors come as answers
            env={**os.environ, **settings, "PYTHONPATH": import_path()},
        )
        self.since, self.seen, self.files, self.busy, self.hung = 0.0, (-1, False), 0, False, False

    def position(self) -> tuple[int, bool]:
        """Number of the file that it is at, −1 while it starts, and whether the file's bytes are read."""
        try:
            self.beat.seek(0)
            at, read = POSITION.unpack(self.beat.read(POSITION.size))
        except ValueError:  # closed meanwhile: the process has ended
            return self.seen
        return int(at), bool(read)

    def watch(self, timeout: float) -> int:
        """Kill the process if it is at one file for too long. Returns the number of that file."""
        now = self.position()
        if now != self.seen:
            self.seen, self.since = now, time.monotonic()
        # Starting, computing and writing have no file to blame, and get more time.
        elif self.busy and time.monotonic() - self.since > (timeout if 0 <= now[0] < self.files else 10 * timeout):
            self.hung = True
            self.process.kill()
        return min(max(0, now[0]), self.files) if self.busy else 0

    def run(self, job: Job, timeout: float) -> None:
        """Have a job done. Raises _Died, or OSError or RuntimeError with the worker's own error."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        values: dict[str, object] = {"root": job.root, "ids": job.ids, "paths": job.paths, "shard": str(job.shard)}
        values |= {"max_pixels": job.max_pixels, "verdicts": job.verdicts}
        self.since, self.files, self.busy = time.monotonic(), len(job.ids), True
        with contextlib.suppress(BrokenPipeError):  # it died; the answer is missing then
            self.process.stdin.write(json.dumps(values).encode() + b"\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        self.busy = False
        if not line:
            code = self.process.wait()
            how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            at, read = self.position()
            how = f"no answer in {timeout:g} seconds" if self.hung else how
            kind = "can't be read" if not read else "hangs the decoder" if self.hung else "crashes the decoder"
            raise _Died(at, f"{kind}: {how}")
        answer = json.loads(line)
        if answer.get("errno") in _CANT_WRITE:
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        if "error" in answer:
            raise RuntimeError(answer["error"])

    def end(self) -> None:
        """Kill the process and wait for it."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.beat):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self.process.wait()
        self.path.unlink(missing_ok=True)


def run(
    jobs: Sequence[Job],
    folder: Path,
    workers: int,
    *,
    timeout: float = TIMEOUT,
    progress: Progress | None = None,
) -> Iterator[Job]:
    """Yield jobs as their shards are written, in no particular order.

    A file at which a worker dies or stays longer than `timeout` seconds gets a verdict, and its job is run again.

    Args:
        jobs: what to do.
        folder: for the workers' small files.
        workers: processes, at most one per job.
        timeout: seconds per file.
        progress: called with the number of files done.

    Raises:
        InputError: the disk is full, or can't be written.
        RuntimeError: a worker's own error, or one that dies over and over without a file to blame.
    """
    todo: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        todo.put(job)
    events: queue.SimpleQueue[Job | Exception] = queue.SimpleQueue()
    crew: dict[int, _Worker] = {}
    stop = threading.Event()
    workers = min(workers, len(jobs))

    def work(number: int) -> None:
        beat = folder / f".worker-{os.getpid()}-{number}"
        try:
            while not stop.is_set():
                job = todo.get_nowait()
                _see_through(job, crew, number, beat, timeout, _share(workers), stop)
                events.put(job)
        except queue.Empty:
            pass  # nothing is left to do
        except Exception as error:
            events.put(error)
        finally:
            if number in crew:
                crew.pop(number).end()

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(workers)]
    for thread in threads:
        thread.start()
    finished = images = 0
    try:
        while finished < len(jobs):
            try:
                event = events.get(timeout=_POLL)
            except queue.Empty:
                at = [worker.watch(timeout) for worker in list(crew.values())]
                if progress:
                    progress(images + sum(at))
                continue
            if isinstance(event, OSError) and event.errno in _CANT_WRITE:
                raise InputError(
                    f"can't write to {folder.parent}: {event.strerror}",
                    expected="about 2 kB of free disk space per image",
                    fix="make room and run the same command again; what is done is kept",
                ) from event
            if isinstance(event, Exception):
                raise event
            finished += 1
            images += len(event.ids)
            yield event
            if progress:
                progress(images)
    finally:
        stop.set()
        for worker in list(crew.values()):
            worker.process.kill()
        for thread in threads:
            thread.join()


def _see_through(
    job: Job, crew: dict[int, _Worker], number: int, beat: Path, timeout: float, memory: int, stop: threading.Event
) -> None:
    """Run a job until it is done, with a new worker and one more verdict whenever a worker is lost."""
    blameless = 0
    while not stop.is_set():
        if number not in crew:
            crew[number] = _Worker(beat, memory)
        try:
            crew[number].run(job, timeout)
            return
        except _Died as death:
            crew.pop(number).end()
            if not 0 <= death.at < len(job.ids) or death.at in job.verdicts:
                blameless += 1
                if blameless == 3 and not stop.is_set():
                    raise RuntimeError(f"a worker died three times with no file to blame: {death}") from death
            else:
                job.verdicts[death.at] = str(death)


def available() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _share(workers: int) -> int:
    """Bytes that one of several workers may take: no picture may take the machine down."""
    try:
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        physical = 8 << 30
    return max(1 << 30, min(8 << 30, physical * 3 // 4 // workers))
