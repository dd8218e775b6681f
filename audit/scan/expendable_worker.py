"""A worker of the scan: it keeps one expendable process, and a new one when that is lost. A file at which one dies or
stalls is set aside, to be tried again alone."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from imageclinic.audit.scan import verdicts
from imageclinic.audit.scan.worker_process import Died, Job, WorkerProcess
from imageclinic.core.errors import Failed

# A file that needs more memory than its worker may use; alone it may use more.
NO_MEMORY = verdicts.Loss("too large", "out of memory")
_BLAMELESS = 3


@dataclass(frozen=True)
class Outcome:
    """A job that is done, less the files that were set aside: these are `alone`, as jobs. `lost`: what was seen of
    files at which a process was lost, by image id."""

    job: Job
    alone: list[Job]
    lost: dict[str, list[verdicts.Loss]]


class ExpendableWorker:
    """See `core.engines.engine.Worker`; its items are jobs."""

    def __init__(
        self,
        folder: Path,
        timeout: float,
        lost: Mapping[str, list[verdicts.Loss]],
        sharing: int,
    ) -> None:
        """`folder`: for the process's small file. `lost`: what earlier tries saw of files. `sharing`: how many workers
        share the machine's memory."""
        self._folder, self._timeout, self._lost, self._memory = folder, timeout, lost, _share(sharing)
        self._process: WorkerProcess | None = None
        self._stopped = threading.Event()

    def do(self, job: Job) -> Outcome:
        """Run a job until it is done, with a new process whenever one is lost.

        Raises:
            Failed: processes end without a file to blame.
            OSError, RuntimeError: the process's own error.
        """
        alone: list[Job] = []
        lost: dict[str, list[verdicts.Loss]] = {}
        blameless = 0

        def without(at: int, loss: verdicts.Loss) -> Job:
            lost[job.ids[at]] = [loss]
            alone.append(job.only(at))
            return job.without(at)

        while job.ids and not self._stopped.is_set():
            try:
                for at in reversed(self._running().run(job)):
                    job = without(at, NO_MEMORY)
                break
            except Died as death:
                self._drop()
                if not 0 <= death.at < len(job.ids) or death.at in job.verdicts:
                    blameless += 1
                    if blameless == _BLAMELESS and not self._stopped.is_set():
                        raise Failed(
                            f"a process of the scan ended three times with no file to blame ({death}). When memory is "
                            "short the system ends processes: try again with fewer --workers; what is done is kept"
                        ) from death
                elif not job.tries:
                    job = without(death.at, death.loss)
                else:
                    image_id = job.ids[0]
                    lost[image_id] = [*lost.get(image_id, self._lost[image_id]), death.loss]
                    job = replace(job, tries=len(lost[image_id]))
                    if len(lost[image_id]) >= verdicts.TRIES:
                        job.verdicts[0] = verdicts.verdict(lost[image_id])
        return Outcome(job, alone, lost)

    def watch(self) -> int:
        """End the process if it is at one file for too long. Returns the number of that file."""
        process = self._process
        return 0 if process is None else process.watch(self._timeout)

    def end(self) -> None:
        """Kill the process; `do` returns soon then."""
        self._stopped.set()
        process = self._process
        if process is not None:
            process.process.kill()
            if threading.current_thread() is self._thread:
                self._drop()

    def _running(self) -> WorkerProcess:
        if self._process is None:
            self._thread = threading.current_thread()
            beat = self._folder / f".worker-{os.getpid()}-{secrets.token_hex(4)}"
            self._process = WorkerProcess(beat, self._memory)
        return self._process

    def _drop(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            process.end()


def _share(workers: int) -> int:
    """Bytes that one of several workers may take: no picture may take the machine down."""
    try:
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        physical = 8 << 30
    return max(1 << 30, min(8 << 30, physical * 3 // 4 // workers))
