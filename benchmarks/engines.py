"""The scan on Ray: against the local engine, with one worker and two, and with workers and the driver killed.

    python -m benchmarks.engines DIR [--images 10000]

DIR holds images in class folders; where they are fewer than wanted they come again as links. All runs are of the same
folder, one after the other, with the page cache warm, each in a process of its own with a cold run folder: the local
engine and Ray (started on this machine) with one worker and with two, and both with a single image, which is their
fixed cost. *Scan* is the time from the first to the last image, without the start of Python and Ray. *Processor* is
what the process and all of its children used, sampled five times a second, less the fixed cost: on a busy machine it
says more than the clock. Then Ray's workers are killed while they scan, and the driver, which is run again.

The tables of all runs have to be the same, byte by byte. Then pairs of neighbours in the listing are compared on full
decodes, which is most of the work of a search for copies, and the verdicts have to be the same.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any

import psutil

from benchmarks.show import table
from imageclinic.audit.copies import full_decode_match
from imageclinic.audit.copies.full_decode_match import Pair
from imageclinic.audit.listing import image_listing
from imageclinic.audit.scan import scan
from imageclinic.core import engines, tables
from imageclinic.core.formats import SUFFIXES
from imageclinic.core.run import Run, create
from imageclinic.workflows.steps.distributed import distributed_decodes

HEADER = ("engine", "workers", "images", "scan, s", "img/s", "processor, s", "ms per image")
DECODES = ("engine", "workers", "pairs", "decodes, s", "pairs/s", "processor, s", "verdicts")
_SAMPLING = 0.2
#: Workers that are killed, and the share of the images after which each is.
KILLED = (0.2, 0.4, 0.6)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imageclinic-engines-", dir=given.dir.absolute().parent) as scratch:
        data = linked(given.dir, Path(scratch) / "data", given.images)
        one = linked(given.dir, Path(scratch) / "one", 1)
        for path in data.rglob("*.*"):
            path.read_bytes()
        runs = Path(scratch)
        rows, made = [], []
        for name in ("local", "ray"):
            fixed = measured(name, 1, one, runs / f"{name}-one")["processor"]
            rows.append((name, 1, 1, "", "", f"{fixed:.1f}", ""))
            for workers in (1, 2):
                found = measured(name, workers, data, runs / f"{name}-{workers}")
                made.append(runs / f"{name}-{workers}")
                work, n = found["processor"] - fixed, found["images"]
                speed = f"{n / found['scan']:.0f}"
                rows.append((name, workers, n, f"{found['scan']:.1f}", speed, f"{work:.1f}", f"{1000 * work / n:.2f}"))
                print(json.dumps(rows[-1]), flush=True)
        print(table(HEADER, rows), flush=True)
        found = measured("ray", 2, data, runs / "workers-killed", kill=KILLED)
        made.append(runs / "workers-killed")
        print(f"{found['killed']} of Ray's workers killed: {found['notes']}")
        print(driver_killed(data, runs / "driver-killed"))
        made.append(runs / "driver-killed")
        print(table(DECODES, [decoded(name, n, data, runs) for name in ("local", "ray") for n in (1, 2)]), flush=True)
        same = {contents(create(path)) for path in made}
        print(f"tables of {len(made)} runs: {len(same)} version{'s' * (len(same) > 1)}")


def linked(folder: Path, target: Path, count: int) -> Path:
    """`count` images of `folder` as hard links in `target`, with their classes; some several times if they are few."""
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    for number, path in enumerate(islice(cycle(found), count)):
        link = target / path.parent.name / f"{number // len(found)}-{path.name}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.hardlink_to(path)
    return target


def contents(run: Run) -> tuple[bytes, ...]:
    """The tables that a scan writes."""
    return tuple(p.read_bytes() for p in (*map(run.table_path, (tables.DATASET, tables.FEATURES)), run.thumbnails))


def command(name: str, workers: int, data: Path, run: Path, what: str = "--one") -> list[str]:
    """Runs `one_scan` in a process, or `one_comparison`."""
    return [sys.executable, "-m", "benchmarks.engines", what, name, str(workers), str(data), str(run)]


def decoded(name: str, workers: int, data: Path, runs: Path) -> tuple[object, ...]:
    """A row of the table of full decodes."""
    found = measured(name, workers, data, runs / f"decodes-{name}-{workers}", what="--decodes")
    speed = f"{found['pairs'] / found['seconds']:.0f}"
    digest = found["verdicts"][:8]
    return name, workers, found["pairs"], f"{found['seconds']:.1f}", speed, f"{found['processor']:.1f}", digest


def measured(
    name: str, workers: int, data: Path, run: Path, *, kill: Sequence[float] = (), what: str = "--one"
) -> dict[str, Any]:
    """One run: what it reports, seconds of ``processor``, and how many of Ray's workers were ``killed``."""
    used: dict[int, float] = {}
    hit: list[int] = []
    total = sum(1 for _ in data.rglob("*.*"))
    with subprocess.Popen(command(name, workers, data, run, what), stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            done = sum(1 for _ in run.glob("shards/*.arrow")) * scan.BATCH / total
            for child in tree(process.pid):
                with contextlib.suppress(psutil.Error):
                    times = child.cpu_times()
                    used[child.pid] = times.user + times.system
                    if len(hit) < len(kill) and done > kill[len(hit)] and "ray::_Actor" in child.name():
                        child.kill()
                        child.wait(10)
                        hit.append(child.pid)
                        break
            time.sleep(_SAMPLING)
        assert process.stdout is not None
        if process.returncode:
            raise RuntimeError(f"{name} failed")
        return {**json.loads(process.stdout.read()), "processor": sum(used.values()), "killed": len(hit)}


def tree(process: int) -> list[psutil.Process]:
    """A process and all below it."""
    try:
        top = psutil.Process(process)
        return [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def driver_killed(data: Path, run: Path) -> str:
    """Kill the driver when half is done, and run it again."""
    total = sum(1 for _ in data.rglob("*.*"))
    process = subprocess.Popen(command("ray", 2, data, run), stdout=subprocess.DEVNULL)
    while process.poll() is None and sum(1 for _ in run.glob("shards/*.arrow")) * scan.BATCH < total / 2:
        time.sleep(0.05)
    children = tree(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    start = time.perf_counter()
    left = psutil.wait_procs(children, timeout=120)[1]
    gone = "all of its processes had ended" if not left else f"{len(left)} of its processes were there"
    ended = time.perf_counter() - start
    again = json.loads(subprocess.run(command("ray", 2, data, run), check=True, capture_output=True, text=True).stdout)
    return f"driver killed: {gone} {ended:.0f} s later; run again, it began at image {again['known']:,} of {total:,}"


def one_scan(name: str, workers: int, data: Path, run: Path) -> None:
    """Scan, and print seconds of the scan, images, how many were known at its start, and notes, as JSON."""
    steps: list[tuple[float, int]] = []
    listing = image_listing.load(data)
    with engines.opened(name, None, workers) as engine:
        dataset, _ = scan.scan(
            create(run),
            listing.images,
            listing.root,
            workers=workers,
            engine=engine,
            progress=lambda done, _: steps.append((time.perf_counter(), done)),
        )
        notes = engine.notes()
    known = steps[0][1]
    first = next((at for at, done in steps if done > known), steps[0][0])
    seconds = max(steps[-1][0] - first, 1e-9)
    print(json.dumps({"scan": seconds, "images": len(dataset), "known": known, "notes": notes}))


def one_comparison(name: str, workers: int, data: Path, run: Path) -> None:
    """Compare each image with the next one, and print seconds after the workers' start, pairs, and a hash of the
    verdicts, as JSON. The first part is not measured: the workers start with it."""
    files = sorted(data.rglob("*.*"))
    pairs = [Pair(one, two, 0, True, (0.0, 1.0, 0.0, 1.0)) for one, two in pairwise(files)]
    steps: list[tuple[float, int]] = []
    distributed_decodes.LEAST = 0

    def report(done: int, total: int) -> None:
        steps.append((time.perf_counter(), done))

    with engines.opened(name, None, workers) as engine:
        if engine.distributed:
            verdicts = distributed_decodes.decodes_on(engine, run).compare(pairs, progress=report)
        else:
            verdicts = full_decode_match.compare(pairs, progress=report, threads=workers)
    (began, before), (ended, last) = next(step for step in steps if step[1] >= distributed_decodes.PART), steps[-1]
    digest = hashlib.sha256(repr(verdicts).encode()).hexdigest()
    print(json.dumps({"seconds": ended - began, "pairs": last - before, "verdicts": digest}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one_scan(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
    elif sys.argv[1:2] == ["--decodes"]:
        one_comparison(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
    else:
        main()
