"""The audit's speed and memory: against CleanVision or imagehash, and as a share of a bare strict decode.

    python -m benchmarks.scan DIR [--against cleanvision|imagehash|decode] [--repeats 3] [--again]

Before anything is timed, every file is read once, so that all find the page cache warm, and all run once on a single
image, so that all find Python's bytecode compiled (also where PYTHONDONTWRITEBYTECODE is set: imports would take up
to three times as long). Then ours, the peer and the bare decode (`benchmarks/peers.py`) take turns on the same
folder, each as a process of its own, ours from a cold run folder. *Command*
is the time from start to end: interpreter, imports, listing, tables, all. *Work* is the scan stage of ours
(`run.json`), and what the peer does once it is imported. An audit of a single image in every round shows what of our
command is a fixed cost. Ratios are medians over the rounds, with the smallest and the largest. Memory is the sum over
the process tree (proportional set size), sampled five times a second.

Ours runs all checks that need neither embeddings nor predictions. CleanVision runs in an environment of its own (made
with uv before anything is timed), with all its checks, at the better of one and all processes. --again measures a
second audit of unchanged data instead.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq

from benchmarks import peers
from benchmarks.show import table
from benchmarks.timed_process import Command, timed
from imageclinic.audit import runner
from imageclinic.audit.scan import worker_pool
from imageclinic.core.formats import SUFFIXES

CLEANVISION = "cleanvision==0.3.7"
#: Our audit of a single image.
ONE = "ours, 1 image"
HEADER = ("", "images", "unreadable", "command, s", "img/s", "work, s", "img/s", "peak MB")


@dataclass(frozen=True)
class Measured:
    """One run: seconds of the whole command and of its work, images, those of them that could not be read, peak memory
    in bytes, seconds per stage."""

    command: float
    work: float
    images: int
    unreadable: int
    memory: int
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Images per second of the whole command."""
        return self.images / self.command

    @property
    def work_per_second(self) -> float:
        """Images per second of the work."""
        return self.images / self.work


def checks() -> list[str]:
    """Names of the checks that the scan alone can feed."""
    return [name for name, check in runner.load().items() if not {"embeddings", "predictions"} & set(check.inputs)]


def ours(folder: Path, out: Path) -> Measured:
    """One audit of `folder` into the run folder `out`."""
    program = Path(sys.executable).with_name("imageclinic")
    command: Command = [program, "audit", folder, "--out", out, "--checks", ",".join(checks())]
    seconds, memory, _ = timed(command)
    stages = json.loads((out / "run.json").read_text(encoding="utf-8"))["seconds"]
    errors = pq.read_table(out / "dataset.parquet", columns=["read_error"])["read_error"]
    return Measured(seconds, stages["scan"], len(errors), len(errors) - errors.null_count, memory, stages)


def peer(name: str, folder: Path, processes: int, python: str = sys.executable) -> Measured:
    """One run of a peer over `folder`."""
    command: Command = [python, peers.__file__, name, folder, "--processes", str(processes)]
    seconds, memory, output = timed(command)
    answer = json.loads(output.splitlines()[-1])
    return Measured(seconds, answer["seconds"], answer["images"], answer["unreadable"], memory)


@contextlib.contextmanager
def cleanvision() -> Iterator[str]:
    """The interpreter of an environment that holds CleanVision. Raises CalledProcessError when it can't be made."""
    with tempfile.TemporaryDirectory() as folder:
        python = str(Path(folder) / "bin" / "python")
        for command in (["uv", "venv", "-q", "--python", sys.executable, folder],
                        ["uv", "pip", "install", "-q", "--python", python, CLEANVISION],
                        [python, "-c", "import cleanvision"]):  # fmt: skip
            subprocess.run(command, check=True)
        yield python


def read_all(folder: Path) -> tuple[int, int]:
    """Read every file once. Returns their number and bytes."""
    sizes = [len(path.read_bytes()) for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def compare(folder: Path, name: str, repeats: int, python: str = sys.executable) -> dict[str, list[Measured]]:
    """Ours, the peer and the bare decode on one folder, in turn, `repeats` times; the order is turned every round.

    Args:
        folder: images.
        name: the peer.
        repeats: rounds.
        python: the interpreter of the peer's environment.

    Returns:
        For "ours", `ONE`, the peer and "decode": what was measured in each round.
    """
    workers = worker_pool.available()
    names = ["ours", ONE, *dict.fromkeys((name, "decode"))]
    found: dict[str, list[Measured]] = {each: [] for each in names}
    with tempfile.TemporaryDirectory() as scratch:
        one = single(folder, Path(scratch))
        ours(one, Path(scratch) / "first")
        for each in names[2:]:
            peer(each, one, 1, python if each == name else sys.executable)
        processes = _better(folder, python, workers) if name == "cleanvision" else workers
        for turn in range(repeats):
            for each in names if turn % 2 == 0 else names[::-1]:
                if each in ("ours", ONE):
                    out = Path(scratch) / f"{'one' if each == ONE else 'all'}-{turn}"
                    found[each].append(ours(one if each == ONE else folder, out))
                elif each == name:
                    found[each].append(peer(each, folder, processes, python))
                else:
                    found[each].append(peer(each, folder, workers))
    return found


def single(folder: Path, scratch: Path) -> Path:
    """A copy of one image of `folder`, alone in a class folder."""
    first = min(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    (scratch / "single" / "class").mkdir(parents=True)
    shutil.copyfile(first, scratch / "single" / "class" / first.name)
    return scratch / "single"


def _better(folder: Path, python: str, workers: int) -> int:
    """The number of processes, 1 or `workers`, at which CleanVision is the faster."""
    tried = {n: peer("cleanvision", folder, n, python).work for n in sorted({1, workers})}
    print("; ".join(f"cleanvision with {n} process(es): {seconds:.1f} s" for n, seconds in tried.items()))
    return min(tried, key=lambda n: tried[n])


def report(found: dict[str, list[Measured]]) -> str:
    """The table and the ratios of what `compare` has measured."""
    lines = [table(HEADER, [_row(name, runs) for name, runs in found.items()]), "", _stages(found["ours"])]
    for name in (each for each in found if each not in ("ours", ONE)):
        lines.append(f"ours against {name}:")
        rounds = list(zip(found["ours"], found[ONE], found[name], strict=True))
        lines.append("  command / command: " + ratios([a.per_second / b.per_second for a, _, b in rounds]))
        lines.append("  command / work: " + ratios([a.per_second / b.work_per_second for a, _, b in rounds]))
        lines.append("  scan stage / work: " + ratios([a.work_per_second / b.work_per_second for a, _, b in rounds]))
        beyond = [(a.images - one.images, a.command - one.command, b) for a, one, b in rounds]
        if all(n > 0 and seconds > 0 for n, seconds, _ in beyond):
            ratio = ratios([n / seconds / b.work_per_second for n, seconds, b in beyond])
            lines.append(f"  command beyond the fixed cost / work: {ratio}")
        else:
            lines.append("  command beyond the fixed cost / work: too few images to tell")
    lines.append("(the work of decode is the strict-decode limit: 0.60 × are 60 % of it)")
    return "\n".join(lines)


def _row(name: str, runs: Sequence[Measured]) -> tuple[str, ...]:
    command, work = median(run.command for run in runs), median(run.work for run in runs)
    images, peak = runs[0].images, max(run.memory for run in runs)
    rates = f"{images / command:,.0f}", f"{images / work:,.0f}"
    return (
        name,
        f"{images:,}",
        f"{runs[0].unreadable:,}",
        f"{command:.2f}",
        rates[0],
        f"{work:.2f}",
        rates[1],
        f"{peak / 1e6:,.0f}",
    )


def ratios(values: Sequence[float]) -> str:
    """Median, smallest and largest."""
    return f"{median(values):.2f} × ({min(values):.2f} to {max(values):.2f})"


def _stages(runs: Sequence[Measured]) -> str:
    """Median seconds of each stage of ours, and of what is no stage: interpreter, imports, listing, splits."""
    stages = {name: median(run.stages[name] for run in runs) for name in runs[0].stages}
    stages["the rest (start-up, listing)"] = median(run.command - sum(run.stages.values()) for run in runs)
    return "ours, seconds: " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in stages.items())


#: Audits argv[1] into argv[2] twice, and prints the seconds of each, without imports.
_TWICE = """
import json, sys, time
from imageclinic.audit import runner
from imageclinic.workflows.audit import audit
runner.load()
seconds = []
for _ in range(2):
    start = time.perf_counter()
    audit(sys.argv[1], sys.argv[2], checks=sys.argv[3].split(","))
    seconds.append(time.perf_counter() - start)
print(json.dumps(seconds))
"""


def again(folder: Path, repeats: int) -> str:
    """A first audit and a second one of unchanged data: as commands, and as calls of one process."""
    commands, calls, memory = [], [], 0
    with tempfile.TemporaryDirectory() as scratch:
        ours(single(folder, Path(scratch)), Path(scratch) / "run")
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as out:
            first, second = ours(folder, Path(out) / "run"), ours(folder, Path(out) / "run")
            command: Command = [sys.executable, "-c", _TWICE, folder, Path(out) / "calls", ",".join(checks())]
            _, _, output = timed(command)
        commands.append((first.command, second.command))
        memory = max(memory, second.memory)
        calls.append(tuple(json.loads(output.splitlines()[-1])))
    rows = []
    for name, pairs in (("imageclinic audit", commands), ("audit(), imports done", calls)):
        cold, warm = median(a for a, _ in pairs), median(b for _, b in pairs)
        rows.append((name, f"{cold:.2f}", f"{warm:.3f}", ratios([a / b for a, b in pairs])))
    shown = table(("", "first, s", "again, s", "faster"), rows)
    return f"{shown}\n\npeak of the second command: {memory / 1e6:,.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path, help="a folder of images, such as OUT/photos of benchmarks.photos")
    parser.add_argument("--against", choices=("cleanvision", *peers.PER_FILE), default="cleanvision")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--again", action="store_true", help="measure a second audit of unchanged data")
    options = parser.parse_args()
    files, size = read_all(options.dir)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(
        f"{files:,} files, {size / files / 1000:.1f} kB on average, page cache warm; "
        f"{worker_pool.available()} cores{load}"
    )
    with tempfile.TemporaryDirectory() as bytecode:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ.setdefault("PYTHONPYCACHEPREFIX", bytecode)
        if options.again:
            print(again(options.dir, options.repeats))
            return
        with cleanvision() if options.against == "cleanvision" else contextlib.nullcontext(sys.executable) as python:
            print(report(compare(options.dir, options.against, options.repeats, python)))


if __name__ == "__main__":
    main()
