"""One worker process as seen from outside: it gets jobs, is watched, and is ended when it stays at a file."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from imageclinic.audit.scan import early_worker, verdicts
from imageclinic.audit.scan.worker import POSITION
from imageclinic.core.reading.hashing import text_digest

CANT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)
# A longer time between two looks means that we ourselves were stopped (Ctrl-Z, a sleeping machine): nobody's fault.
_LONGEST_LOOK = 1.0
# Seconds for what is not about a file: to start on a busy machine takes long.
_OTHER_WORK = 300.0


@dataclass(frozen=True)
class Job:
    """Files to measure: `ids` and `paths` (relative to `root`), and the Arrow file to write their rows to.

    `verdicts`: the read error to record for a file, by its number. `tries`: how many were made at a file that is tried
    again, alone. In other jobs it is 0, and a file that runs out of memory gets no row yet.
    """

    root: str
    ids: list[str]
    paths: list[str]
    shard: Path
    max_pixels: int
    verdicts: dict[int, str] = field(default_factory=dict)
    tries: int = 0

    def without(self, at: int) -> Job:
        """The same but for one file."""
        return replace(self, ids=[*self.ids[:at], *self.ids[at + 1 :]], paths=[*self.paths[:at], *self.paths[at + 1 :]])

    def only(self, at: int) -> Job:
        """One file alone, for a second try, with a shard of its own."""
        shard = self.shard.with_name(f"again-{text_digest(self.ids[at], 16)}.arrow")
        return replace(self, ids=[self.ids[at]], paths=[self.paths[at]], shard=shard, verdicts={}, tries=1)


class Died(Exception):
    """A worker ended, or was ended, at file number `at`."""

    def __init__(self, at: int, loss: verdicts.Loss) -> None:
        super().__init__(loss.how)
        self.at, self.loss = at, loss


class WorkerProcess:
    """One process, and the mapped file in which it says where it is."""

    def __init__(self, beat: Path, memory: int) -> None:
        """`beat`: the file to make. `memory`: bytes that the process may take beyond what it has."""
        self.path = beat
        self.beat = beat.open("w+b", buffering=0)
        self.beat.write(POSITION.pack(-1, False))
        self.process = early_worker.taken() or early_worker.started()
        self._write({"beat": str(beat), "memory": memory})
        self.seen, self.files, self.busy = (-1, False), 0, False
        self.looked, self.waited, self.computed = time.monotonic(), 0.0, 0.0
        self.stalled: tuple[float, float | None] | None = None

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
        now, before = self.position(), self.looked
        self.looked = time.monotonic()
        self.waited += min(self.looked - before, _LONGEST_LOOK)
        if now != self.seen or not self.busy:
            self.seen, self.waited, self.computed = now, 0.0, _processor_seconds(self.process.pid) or 0.0
        elif self.waited > timeout:
            used = _processor_seconds(self.process.pid)
            computed = None if used is None else used - self.computed
            at_file, read = 0 <= now[0] < self.files, now[1]
            # Starting, statistics and writing have no file to blame, and get more time.
            limit = verdicts.PATIENCE * timeout if at_file else max(_OTHER_WORK, 10 * timeout)
            hung = at_file and read and (computed is None or computed >= timeout)
            if hung or self.waited > limit:
                self.stalled = timeout, computed
                self.process.kill()
        return min(max(0, now[0]), self.files) if self.busy else 0

    def run(self, job: Job) -> list[int]:
        """Have a job done.

        Returns:
            The numbers of the files that ran out of memory and have no row.

        Raises:
            Died: the process ended, or was ended.
            OSError, RuntimeError: the worker's own error.
        """
        assert self.process.stdout is not None
        values: dict[str, object] = {"root": job.root, "ids": job.ids, "paths": job.paths, "shard": str(job.shard)}
        values |= {"max_pixels": job.max_pixels, "verdicts": job.verdicts, "tries": job.tries}
        self.files, self.waited, self.busy = len(job.ids), 0.0, True
        self._write(values)
        line = self.process.stdout.readline()
        self.busy = False
        if not line:
            status = self.process.wait()
            at, read = self.position()
            timeout, computed = self.stalled or (None, None)
            raise Died(at, verdicts.loss(status, read=read, timeout=timeout, computed=computed))
        answer = json.loads(line)
        if answer.get("errno") in CANT_WRITE:
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        if "error" in answer:
            raise RuntimeError(answer["error"])
        without_memory: list[int] = answer.get("without_memory", [])
        return without_memory

    def _write(self, values: dict[str, object]) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died; the answer is missing then
            self.process.stdin.write(json.dumps(values).encode() + b"\n")
            self.process.stdin.flush()

    def end(self) -> None:
        """Kill the process and wait for it."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.beat):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self.process.wait()
        self.path.unlink(missing_ok=True)


def _processor_seconds(process: int) -> float | None:
    """Seconds for which a process had a processor; None where the system does not say."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (AttributeError, OSError, IndexError, ValueError):
        return None
