"""`imageclinic report`."""

from __future__ import annotations

import imageclinic
from imageclinic.cli.arguments import AsJson, RunFolder, terminal_for

PLACE = 140


def report(run: RunFolder, as_json: AsJson = False) -> None:
    """Write report.html, one self-contained file."""

    terminal = terminal_for(as_json)
    path = imageclinic.report(run)
    terminal.say(f"Report: {path}")
    terminal.result({"report": str(path)})
