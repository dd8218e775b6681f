"""The commands that `benchmarks.kills` kills: what each is given, what it makes, and how it is run in a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imageclinic import sample_data
from imageclinic.cleaning.decisions import decision_log
from imageclinic.core import tables
from imageclinic.core.reading.hashing import file_sha256
from imageclinic.core.run import create, open_run

#: Checks that need no model: an audit that takes seconds.
LIGHT = "corrupted,dark,bright,blurry,exact_duplicate,near_duplicate,low_information,odd_size"
DECISIONS = 60_000
# What depends on the time and the machine.
_VARYING = (
    "seconds", "date", "created", "started", "finished", "versions", "duration", "per_second", "time", "rate",
    "input_bound", "advice",
)  # fmt: skip


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
    done = run_command(["verify", str(folder / "out")], folder)
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
        ["compare", "{0}/run", "--seeds", "2", "--model", "linear", *SMALL],
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


def finish(command: Command, place: Path) -> None:
    """Run a command to its end; one that has none until it says `stop_after`."""
    if not command.stop_after:
        done = run_command(_filled(command.words, place), place)
        if done.returncode:
            raise RuntimeError(f"{command.name}: status {done.returncode}: {done.stdout[-2000:]}")
        return
    process = start(command.words, place)
    assert process.stdout is not None
    for line in process.stdout:
        if command.stop_after in line:
            break
    process.terminate()  # where a shell runs us in the background, Ctrl-C is ignored
    process.communicate()


def fresh(place: Path) -> None:
    """Folders of its own for what is temporary and cached, so that what is left there is seen."""
    for name in ("tmp", "cache"):
        (place / name).mkdir(parents=True)


def _environment(place: Path) -> dict[str, str]:
    changed = {"TMPDIR": str(place / "tmp"), "IMAGECLINIC_CACHE": str(place / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return {**os.environ, **changed, "TF_ENABLE_ONEDNN_OPTS": "0", "PYTHONUNBUFFERED": "1"}


def _filled(words: Sequence[str], place: Path) -> list[str]:
    return [word.replace("{0}", str(place)) for word in words]


def start(words: Sequence[str], place: Path) -> subprocess.Popen[str]:
    """Begin a command in a session of its own; its output is read by whoever begins it."""
    return subprocess.Popen(
        [sys.executable, "-m", "imageclinic", *_filled(words, place)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=_environment(place),
        start_new_session=True,
    )


def run_command(words: Sequence[str], place: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever its status."""
    command = [sys.executable, "-m", "imageclinic", *words]
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment(place), check=False
    )


def _whole(words: Sequence[str], place: Path) -> None:
    done = run_command(words, place)
    if done.returncode:
        raise RuntimeError(f"{words[0]}: status {done.returncode}: {done.stdout[-2000:]}")
