"""Commands killed with kill -9 at random moments, and run again: the same result, nothing lost, nothing left behind.

    python -m benchmarks.kills [COMMAND …] [--points 50] [--signal KILL] [--seed 0]

For each command (audit, decide, export, train, compare, tune, diagnose, review; default: all) it is run once whole,
for its time and result. Then, as often as `--points`, in a fresh copy of the same folders: it is started, killed at a
moment drawn evenly from that time, and run again. Counted are results that differ, processes that outlive the command
by more than ten seconds, and files and folders that are left behind. It takes `2 × points` runs of each command:
minutes to hours. `decide` imports 60,000 decisions, and what counts after the kill, before anything is run again, has
to be all or nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.show import table
from imageclinic import sample_data
from imageclinic.cleaning.decisions import decision_log
from imageclinic.core import tables
from imageclinic.core.reading.hashing import file_sha256
from imageclinic.core.run import create, open_run

#: Checks that need no model: an audit that takes seconds.
LIGHT = "corrupted,dark,bright,blurry,exact_duplicate,near_duplicate,low_information,odd_size"
DECISIONS = 60_000
_GRACE = 10.0
# What depends on the time and the machine.
_VARYING = ("seconds", "date", "created", "started", "finished", "versions", "duration", "per_second", "time", "rate")


@dataclass
class Command:
    """One command: what it is given, where {0} is its folder; what it made, comparable; what must hold right after a
    kill, as a reason or None; whether its folder may be there already when it is run again."""

    name: str
    words: Sequence[str]
    prepare: Callable[[Path], None]
    result: Callable[[Path], Any]
    after_kill: Callable[[Path], str | None] = lambda folder: None
    once: str = ""
    stop_after: str = ""


@dataclass
class Outcome:
    """What was seen of a command over all kills."""

    kills: int = 0
    under_way: int = 0
    torn: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    outlived: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def audited(folder: Path) -> None:
    """A run of the sample images."""
    words = ["audit", str(sample_data.IMAGES), "--out", str(folder / "run"), "--checks", LIGHT]
    _whole(words, folder)


def exported(folder: Path) -> None:
    """A run, and its export."""
    audited(folder)
    _whole(["export", str(folder / "run"), str(folder / "out")], folder)


def decided(folder: Path) -> None:
    """A run with some decisions."""
    audited(folder)
    _whole(["decide", str(folder / "run"), "--accept", "exact_duplicate", "--accept", "near_duplicate"], folder)


def many_images(folder: Path) -> None:
    """A run of sixty thousand images that are only named, and a file that decides about each."""
    ids = [f"a/{n:06}.png" for n in range(DECISIONS)]
    run = create(folder / "run")
    n = len(ids)
    run.write(
        tables.DATASET,
        tables.frame(
            tables.DATASET,
            image_id=ids,
            label="a",
            bytes=[1] * n,
            mtime_ns=[0] * n,
            sha256=[f"{i:064}" for i in range(n)],
        ),
    )
    for empty in (tables.FEATURES, tables.CLUSTERS, tables.ISSUES):
        run.write(empty, tables.empty(empty))
    run.write(tables.SPLIT_TABLE, tables.frame(tables.SPLIT_TABLE, image_id=ids, split="train"))
    run.update_info({"root": str(folder), "outcomes": []})
    tables.write_text(folder / "decisions.csv", "image_id,decision\n" + "".join(f"{i},drop\n" for i in ids))


def files_of(*names: str) -> Callable[[Path], Any]:
    """Hashes of files of a folder (all files below a name that is a folder)."""

    def read(folder: Path) -> Any:
        found = {}
        for name in names:
            path = folder / name
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    found[str(file.relative_to(folder))] = file_sha256(file)
        return found

    return read


def json_of(name: str) -> Callable[[Path], Any]:
    """A JSON file without what depends on the time and the place."""

    def plain(value: Any, place: str) -> Any:
        if isinstance(value, dict):
            return {k: plain(v, place) for k, v in value.items() if not any(word in k for word in _VARYING)}
        if isinstance(value, list):
            return [plain(v, place) for v in value]
        if isinstance(value, str):
            return value.replace(place, "")
        return round(value, 4) if isinstance(value, float) else value

    def read(folder: Path) -> Any:
        return plain(json.loads((folder / name).read_text("utf-8")), str(folder))

    return read


def decisions_of(folder: Path) -> Any:
    """How many decisions count."""
    return len(decision_log.read(open_run(folder / "run").decisions))


def all_or_nothing(folder: Path) -> str | None:
    """The number of decisions, when a part of the batch counts."""
    n = decisions_of(folder)
    return None if n in (0, DECISIONS) else f"{n:,} of {DECISIONS:,} decisions count"


def export_is_whole(folder: Path) -> str | None:
    """What `verify` says of an export that bears its name."""
    if not (folder / "out").exists():
        return None
    done = _run(["verify", str(folder / "out")], folder)
    return None if done.returncode == 0 else done.stdout[-300:]


TABLES = [
    f"run/{t}.parquet" for t in ("dataset", "features", "neighbors", "clusters", "splits", "issues", "thumbnails")
]
SMALL = ["--epochs", "2", "--size", "16"]
COMMANDS = [
    Command(
        "audit",
        ["audit", str(sample_data.IMAGES), "--out", "{0}/run", "--checks", LIGHT],
        lambda f: None,
        files_of(*TABLES),
    ),
    Command(
        "decide",
        ["decide", "{0}/run", "--from", "{0}/decisions.csv", "--reviewer", "ann"],
        many_images,
        decisions_of,
        all_or_nothing,
        once="decisions",
    ),
    Command(
        "export",
        ["export", "{0}/run", "{0}/out"],
        decided,
        files_of("out/manifest.csv", "out/train", "out/test"),
        export_is_whole,
        once="out",
    ),
    Command("train", ["train", "{0}/out", "--to", "{0}/model", *SMALL], exported, json_of("model/metrics.json")),
    Command(
        "compare",
        ["compare", "{0}/run", "--seeds", "2", "--model", "mlp", *SMALL],
        decided,
        json_of("run/comparison.json"),
    ),
    Command(
        "tune", ["tune", "{0}/out", "--to", "{0}/tune", "--trials", "3", *SMALL], exported, json_of("tune/tuning.json")
    ),
    Command(
        "diagnose",
        ["diagnose", "{0}/run", "--budget", "2", "--to", "{0}/diagnosis"],
        decided,
        json_of("diagnosis/diagnosis.json"),
    ),
    Command(
        "review", ["review", "{0}/run", "--no-browser", "--port", "0"], decided, decisions_of, stop_after="Review as"
    ),
]


def measure(command: Command, points: int, number: int, seed: int, progress: Callable[[str], None]) -> Outcome:
    """Kill a command `points` times with signal `number`."""
    found, rng = Outcome(), np.random.default_rng(seed)
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        # The same path each time, for some of what is written names it.
        place, template = Path(scratch) / "work", Path(scratch) / "template"
        _fresh(place)
        command.prepare(place)
        shutil.copytree(place, template, symlinks=True)
        began = time.monotonic()
        _finish(command, place)
        took, expected, usual = time.monotonic() - began, command.result(place), _hidden(place)
        progress(f"{command.name}: {took:.1f} s whole")
        for point in range(points):
            shutil.rmtree(place)
            shutil.copytree(template, place, symlinks=True)
            moment = rng.uniform(0, took)
            process = _start(command.words, place)
            children: set[psutil.Process] = set()
            end = time.monotonic() + moment
            while time.monotonic() < end and process.poll() is None:
                children |= set(_children(process.pid))
                time.sleep(0.02)
            found.under_way += process.poll() is None
            children |= set(_children(process.pid))
            process.send_signal(number)
            process.communicate()
            found.kills += 1
            alive = psutil.wait_procs(list(children), timeout=_GRACE)[1]
            at = f"at {moment:.2f} s"
            found.outlived += [f"{at}: {' '.join(_words(child))}" for child in alive]
            for child in alive:
                child.kill()
            if problem := command.after_kill(place):
                found.torn.append(f"{at}: {problem}")
            done_before = command.once and command.result(place) == expected
            if not done_before:
                _finish(command, place)
            else:
                _run(["doctor"], place)  # any command removes what was left
            if (now := command.result(place)) != expected:
                found.differs.append(f"{at}: {_difference(expected, now)}")
            found.left += [f"{at}: {name}" for name in sorted(_hidden(place) - usual)]
            progress(f"{command.name}: {point + 1} of {points}, {at}")
    return found


def _finish(command: Command, place: Path) -> None:
    """Run a command to its end; one that has none until it says `stop_after`."""
    if not command.stop_after:
        done = _run(_filled(command.words, place), place)
        if done.returncode:
            raise RuntimeError(f"{command.name}: status {done.returncode}: {done.stdout[-2000:]}")
        return
    process = _start(command.words, place)
    assert process.stdout is not None
    for line in process.stdout:
        if command.stop_after in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate()


def _fresh(place: Path) -> None:
    for name in ("tmp", "cache"):
        (place / name).mkdir(parents=True)


def _environment(place: Path) -> dict[str, str]:
    changed = {"TMPDIR": str(place / "tmp"), "IMAGECLINIC_CACHE": str(place / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return {**os.environ, **changed, "TF_ENABLE_ONEDNN_OPTS": "0", "PYTHONUNBUFFERED": "1"}


def _filled(words: Sequence[str], place: Path) -> list[str]:
    return [word.replace("{0}", str(place)) for word in words]


def _start(words: Sequence[str], place: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "imageclinic", *_filled(words, place)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=_environment(place),
        start_new_session=True,
    )


def _run(words: Sequence[str], place: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "imageclinic", *words]
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment(place), check=False
    )


def _whole(words: Sequence[str], place: Path) -> None:
    done = _run(words, place)
    if done.returncode:
        raise RuntimeError(f"{words[0]}: status {done.returncode}: {done.stdout[-2000:]}")


def _children(process: int) -> list[psutil.Process]:
    try:
        return psutil.Process(process).children(recursive=True)
    except psutil.Error:
        return []


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()[:6]
    except psutil.Error:
        return ["(ended)"]


def _hidden(place: Path) -> set[str]:
    """Files that a command hides or makes for a while: what is left of them belongs to nobody."""
    found = {p for p in place.rglob("*") if p.name.startswith(".") or p.suffix in (".tmp", ".pending")}
    found |= set((place / "tmp").rglob("*")) | set((place / "cache" / "temporary").glob("*"))
    found |= set((place / "cache" / "databases").glob("*"))
    return {str(p.relative_to(place)) for p in found}


def _difference(expected: Any, now: Any) -> str:
    if isinstance(expected, dict) and isinstance(now, dict):
        keys = [str(k) for k in {*expected, *now} if expected.get(k) != now.get(k)]
        return f"differ: {', '.join(sorted(keys)[:6])}"
    return f"{expected!r} was {now!r}"


def main() -> None:
    names = [command.name for command in COMMANDS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="*", choices=[*names, []], help="default: all")
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--signal", default="KILL", help="KILL, TERM, HUP or INT")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    number = signal.Signals[f"SIG{options.signal}"]
    rows, details = [], []
    for command in COMMANDS:
        if options.command and command.name not in options.command:
            continue
        seen = measure(command, options.points, number, options.seed, lambda text: print(text, file=sys.stderr))
        kinds = {"half results": seen.torn, "other results": seen.differs, "outlived": seen.outlived, "left": seen.left}
        rows.append((command.name, seen.kills, seen.under_way, *(len(found) for found in kinds.values())))
        details += [f"{command.name}, {kind}: {text}" for kind, found in kinds.items() for text in found]
    header = (
        "command",
        "kills",
        "while it ran",
        "half results",
        "other results",
        "processes that outlived it",
        "left behind",
    )
    print(table(header, rows))
    print("\n".join(details))


if __name__ == "__main__":
    main()
