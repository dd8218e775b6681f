"""``--fail-on CHECK[:N]``: findings that make a command exit with status 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from imageclinic.core.errors import Failed, InputError


def limits(texts: Sequence[str], select: Callable[[Sequence[str]], Any]) -> dict[str, int]:
    """Check → number of findings from which on it trips. `select` raises InputError for an unknown check."""
    found = {}
    for text in texts:
        name, _, least = text.partition(":")
        select([name])
        if least and not (least.isdecimal() and len(least) < 19 and int(least) > 0):
            raise InputError(f"--fail-on {text!r}", expected="CHECK or CHECK:N with a number from 1")
        found[name] = int(least or 1)
    return found


def tripped(limits: Mapping[str, int], outcomes: Any) -> list[str]:
    """Names of the checks, in order, that found as much. `outcomes`: a frame with check and n_issues."""
    counts = dict(zip(outcomes["check"], outcomes["n_issues"], strict=True))
    return sorted(check for check, least in limits.items() if counts[check] >= least)


def end(outcomes: Any, found: Sequence[str], record: Path, terminal: Any) -> None:
    """End a command as its outcomes ask for. `found`: see `tripped`; `record`: the file that holds tracebacks.

    Raises:
        Failed: a check failed.
        typer.Exit: with status 3, when something tripped.
    """
    failed = outcomes.loc[outcomes["outcome"] == "failed", "check"].tolist()
    if failed:
        raise Failed(f"checks that failed: {', '.join(failed)}; their tracebacks are in {record}")
    if found:
        terminal.say(f"--fail-on: {', '.join(found)}")
        raise typer.Exit(3)
