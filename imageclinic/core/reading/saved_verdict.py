"""The verdict of an audit, as run.json keeps it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: So many lines of a verdict are shown, and none that moves accuracy by less.
HEADLINES, HARMLESS = 5, 0.005


def with_run(lines: Sequence[dict[str, Any]], run: Path) -> list[dict[str, Any]]:
    """The lines with the run's path in their commands, in the place of ``RUN``.

    Each is a dict of ``cause``, ``severity`` (in [0, 1], by how much it can distort accuracy), ``sentence``,
    ``consequence``, ``command`` and ``checks``; the worst is first.
    """
    path = shlex.quote(str(run))
    return [{**line, "command": re.sub(r"\bRUN\b", lambda _: path, line["command"])} for line in lines]


def headlines(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The worst lines, at most `HEADLINES`, without the harmless ones where there are others."""
    return [line for line in lines if line["severity"] >= HARMLESS][:HEADLINES] or list(lines[:1])
