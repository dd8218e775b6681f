"""``--fail-on CHECK[:N]``: findings that make a command exit with status 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from imageclinic.core.errors import InputError


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
