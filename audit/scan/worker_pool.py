"""Runs jobs in expendable worker processes: one that dies or stalls costs the file it was at some more tries."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from imageclinic.audit.scan import verdicts
from imageclinic.audit.scan.scan_options import TIMEOUT
from imageclinic.audit.scan.worker_process import CANT_WRITE, Died, Job, WorkerProcess
from imageclinic.core.errors import Failed, InputError

__all__ = ["TIMEOUT", "Job", "available", "run"]

#: Seconds between looks at the workers.
_POLL = 0.2
# A file that needs more memory than its worker may use; alone it may use more.
_NO_MEMORY = verdicts.Loss("too large", "out of memory")

Progress = Callable[[int], None]


def run(
    jobs: Sequence[Job],
    folder: Path,
    workers: int,
    *,
    timeout: float = TIMEOUT,
    progress: Progress | None = None,
    recovered: Callable[[str, str], None] | None = None,
) -> Iterator[Job]:
    """Yield jobs as their shards are written, in no particular order.

    A file at which a worker dies, stays longer than `timeout` seconds or runs out of memory is set aside, and tried
    again when all else is done: alone, with all the memory that a scan may use. When `verdicts.TRIES` tries are lost it
    gets a verdict.

    Args:
        jobs: what to do.
        folder: for the workers' small files.
        workers: processes, at most one per job.
        timeout: seconds for which a file's decoder may compute; by the clock it has `verdicts.PATIENCE` times that, not
            counting the time for which we are stopped ourselves.
        progress: called with the number of files done.
        recovered: called with the image id of a file that only a later try could read, and what was seen before.

    Raises:
        InputError: the disk is full, or can't be written.
        Failed: a worker dies over and over without a file to blame.
        RuntimeError: a worker's own error.
    """
    done = 0

    def report(under_way: int) -> None:
        if progress:
            progress(done + under_way)

    first = _Crew(folder, min(workers, len(jobs)), timeout)
    for job in first.do(jobs, report):
        done += len(job.ids)
        report(0)
        yield job
    last = _Crew(folder, 1, timeout, first.lost)
    for job in last.do(first.alone, report):
        lost = first.lost[job.ids[0]]
        if recovered and not job.verdicts and lost[0] != _NO_MEMORY:
            recovered(job.ids[0], verdicts.seen(lost, len(lost) + 1))
        done += 1
        report(0)
        yield job


class _Crew:
    """Some workers. Files that they had to set aside are in `alone`, as jobs, and what was seen of each in `lost`."""

    def __init__(
        self, folder: Path, workers: int, timeout: float, lost: dict[str, list[verdicts.Loss]] | None = None
    ) -> None:
        self.folder, self.workers, self.timeout = folder, workers, timeout
        self.alone: list[Job] = []
        self.lost: dict[str, list[verdicts.Loss]] = lost or {}
        self._running: dict[int, WorkerProcess] = {}
        self._stop = threading.Event()

    def do(self, jobs: Sequence[Job], progress: Progress) -> Iterator[Job]:
        """Yield jobs, less the files that were set aside, as they are done. `progress`: files under way."""
        todo: queue.SimpleQueue[Job] = queue.SimpleQueue()
        events: queue.SimpleQueue[Job | Exception] = queue.SimpleQueue()
        for job in jobs:
            todo.put(job)
        # A worker ends with the thread that started it (`core.processes.child_process.end_with_parent`).
        threads = [
            threading.Thread(target=self._work, args=(number, todo, events), daemon=True)
            for number in range(min(self.workers, len(jobs)))
        ]
        for thread in threads:
            thread.start()
        left = len(jobs)
        try:
            while left:
                try:
                    event = events.get(timeout=_POLL)
                except queue.Empty:
                    progress(sum(worker.watch(self.timeout) for worker in list(self._running.values())))
                    continue
                if isinstance(event, OSError) and event.errno in CANT_WRITE:
                    raise InputError(
                        f"can't write to {self.folder.parent}: {event.strerror}",
                        expected="about 2 kB of free disk space per image",
                        fix="make room and run the same command again; what is done is kept",
                    ) from event
                if isinstance(event, Exception):
                    raise event
                left -= 1
                yield event
        finally:
            self._stop.set()
            for worker in list(self._running.values()):
                worker.process.kill()
            for thread in threads:
                thread.join()

    def _work(self, number: int, todo: queue.SimpleQueue[Job], events: queue.SimpleQueue[Job | Exception]) -> None:
        try:
            while not self._stop.is_set():
                events.put(self._see_through(todo.get_nowait(), number))
        except queue.Empty:
            pass  # nothing is left to do
        except Exception as error:
            events.put(error)
        finally:
            self._end(number)

    def _see_through(self, job: Job, number: int) -> Job:
        """Run a job until it is done, with a new worker whenever one is lost."""
        blameless = 0
        while job.ids and not self._stop.is_set():
            try:
                for at in reversed(self._worker(number).run(job)):
                    job = self._set_aside(job, at, _NO_MEMORY)
                return job
            except Died as death:
                self._end(number)
                if not 0 <= death.at < len(job.ids) or death.at in job.verdicts:
                    blameless += 1
                    if blameless == 3 and not self._stop.is_set():
                        raise Failed(
                            f"a process of the scan ended three times with no file to blame ({death}). When memory is "
                            "short the system ends processes: try again with fewer --workers; what is done is kept"
                        ) from death
                elif not job.tries:
                    job = self._set_aside(job, death.at, death.loss)
                else:
                    lost = self.lost[job.ids[0]]
                    lost.append(death.loss)
                    job = replace(job, tries=len(lost))
                    if len(lost) >= verdicts.TRIES:
                        job.verdicts[0] = verdicts.verdict(lost)
        return job

    def _set_aside(self, job: Job, at: int, loss: verdicts.Loss) -> Job:
        self.lost[job.ids[at]] = [loss]
        self.alone.append(job.only(at))
        return job.without(at)

    def _worker(self, number: int) -> WorkerProcess:
        if number not in self._running:
            beat = self.folder / f".worker-{os.getpid()}-{number}"
            self._running[number] = WorkerProcess(beat, _share(self.workers))
        return self._running[number]

    def _end(self, number: int) -> None:
        if number in self._running:
            self._running.pop(number).end()


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
