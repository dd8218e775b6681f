"""Runs jobs in expendable worker processes: one that dies or stalls costs the file it was at some more tries."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import xxhash

from imageclinic.audit.scan import verdicts
from imageclinic.audit.scan.expendable_worker import NO_MEMORY, ExpendableWorker, Outcome
from imageclinic.audit.scan.scan_options import TIMEOUT
from imageclinic.audit.scan.worker_process import CANT_WRITE, Job
from imageclinic.core.engines.engine import Engine
from imageclinic.core.engines.local_engine import LOCAL
from imageclinic.core.engines.witnesses import witnesses
from imageclinic.core.errors import InputError
from imageclinic.core.processes.cores import available
from imageclinic.core.reading.image_files import ImageFiles

__all__ = ["BATCH", "TIMEOUT", "Job", "available", "jobs", "run", "sweep"]

#: Files that a worker measures at a time: what a killed scan loses per worker.
BATCH = 256

Progress = Callable[[int], None]


def jobs(ids: Sequence[str], files: ImageFiles, shards: Path, workers: int, max_pixels: int) -> list[Job]:
    """Jobs for the files of these ids, with shards in a folder that is made and swept: the run's lock says
    that no other audit is under way there."""
    # Small batches where there is little to do, so that every worker has some.
    size = int(np.clip(len(ids) // (4 * workers), 16, BATCH))
    shards.mkdir(exist_ok=True)
    sweep(shards)
    found = []
    for start in range(0, len(ids), size):
        part = list(ids[start : start + size])
        name = xxhash.xxh3_64_hexdigest("\0".join(part).encode())
        paths = [files.name(image_id) for image_id in part]
        found.append(Job(str(files.root), part, paths, shards / f"{name}.arrow", max_pixels))
    return found


def sweep(shards: Path) -> None:
    """Remove the small files of workers that were killed."""
    for left in shards.glob(".*"):
        left.unlink(missing_ok=True)


def run(
    jobs: Sequence[Job],
    folder: Path,
    workers: int | None,
    *,
    engine: Engine = LOCAL,
    timeout: float = TIMEOUT,
    progress: Progress | None = None,
    recovered: Callable[[str, str], None] | None = None,
) -> Iterator[Job]:
    """Yield jobs as their shards are written, in no particular order.

    A file at which a worker dies, stays longer than `timeout` seconds or runs out of memory is set aside, and tried
    again when all else is done: on this machine, alone, with all the memory that a scan may use. When `verdicts.TRIES`
    tries are lost it gets a verdict.

    Args:
        jobs: what to do.
        folder: for the workers' small files.
        workers: processes, at most one per job; None: as many as the engine has cores.
        engine: where they run.
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

    def outcomes(
        where: Engine, jobs: Sequence[Job], count: int | None, lost: dict[str, list[verdicts.Loss]]
    ) -> Iterator[Outcome]:
        start = functools.partial(ExpendableWorker, folder, timeout, lost)
        try:
            images = (Path(job.root) / path for job in jobs for path in job.paths)
            with witnesses(where, folder, images) as visible:
                yield from where.map(start, jobs, workers=count, visible=visible, progress=report)
        except OSError as error:
            if error.errno not in CANT_WRITE:
                raise
            raise InputError(
                f"can't write to {folder.parent}: {error.strerror}",
                expected="about 2 kB of free disk space per image",
                fix="make room and run the same command again; what is done is kept",
            ) from error

    alone: list[Job] = []
    lost: dict[str, list[verdicts.Loss]] = {}
    for outcome in outcomes(engine, jobs, workers, {}):
        alone += outcome.alone
        lost |= outcome.lost
        done += len(outcome.job.ids)
        report(0)
        yield outcome.job
    for outcome in outcomes(LOCAL, alone, 1, lost):
        job = outcome.job
        losses = outcome.lost.get(job.ids[0], lost[job.ids[0]])
        if recovered and not job.verdicts and losses[0] != NO_MEMORY:
            recovered(job.ids[0], verdicts.seen(losses, len(losses) + 1))
        done += 1
        report(0)
        yield job
