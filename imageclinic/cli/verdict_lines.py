"""What matters most, as the command line says it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imageclinic.cli.terminal import Terminal
from imageclinic.core.reading.saved_verdict import HARMLESS
from imageclinic.core.run import Run


def show_verdict(run: Run, terminal: Terminal, title: str = "What matters most") -> None:
    """At most five lines, the worst first, each with its consequence and the next command."""
    lines = run.headlines
    if not lines:
        return
    terminal.title(title)
    if lines[0]["severity"] < HARMLESS:
        terminal.say("Nothing that was found should move a measured accuracy by as much as a point.")
    for place, line in enumerate(lines, start=1):
        terminal.say(f"{place}. {in_words(line)}")
        terminal.command(f"   → {shortened(line['command'], run.path)}")
    if more := len(run.verdict) - len(lines):
        verbs = "matters less is" if more == 1 else "matter less are"
        terminal.say(f"{more} more that {verbs} in the report (imageclinic report).")


def in_words(line: Mapping[str, Any]) -> str:
    """Sentence and consequence."""
    return f"{line['sentence']}: {line['consequence']}."


def shortened(command: str, run: Path) -> str:
    """The command with the run's path relative to the folder that the user is in, where that is shorter."""
    here = os.path.relpath(run)
    return command if here.startswith("..") or len(here) >= len(str(run)) else command.replace(str(run), here)
