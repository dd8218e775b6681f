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
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.killed_commands import COMMANDS, Command, finish, fresh, run_command, start
from benchmarks.show import table

_GRACE = 10.0


@dataclass
class Outcome:
    """What was seen of a command over all kills."""

    kills: int = 0
    under_way: int = 0
    torn: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    outlived: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def faults(self) -> int:
        """How many were found."""
        return len(self.torn) + len(self.differs) + len(self.outlived) + len(self.left)


def measure(command: Command, points: int, number: int, seed: int, progress: Callable[[str], None]) -> Outcome:
    """Kill a command `points` times with signal `number`."""
    found, rng = Outcome(), np.random.default_rng(seed)
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        # The same path each time, for some of what is written names it.
        place, template = Path(scratch) / "work", Path(scratch) / "template"
        fresh(place)
        command.prepare(place)
        shutil.copytree(place, template, symlinks=True)
        began = time.monotonic()
        finish(command, place)
        took, expected, usual = time.monotonic() - began, command.result(place), _hidden(place)
        progress(f"{command.name}: {took:.1f} s whole")
        for point in range(points):
            shutil.rmtree(place)
            shutil.copytree(template, place, symlinks=True)
            moment = rng.uniform(0, took)
            process = start(command.words, place)
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
                finish(command, place)
            else:
                run_command(["explain"], place)  # any command removes what was left
            if (now := command.result(place)) != expected:
                found.differs.append(f"{at}: {_difference(expected, now)}")
            found.left += [f"{at}: {name}" for name in sorted(_hidden(place) - usual)]
            progress(f"{command.name}: {point + 1} of {points}, {at}; {found.faults()} faults so far")
    return found


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
