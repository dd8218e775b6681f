"""`imageclinic doctor`."""

from __future__ import annotations

import imageclinic
from imageclinic.cli.arguments import AsJson, terminal_for

PLACE = 150


def doctor(as_json: AsJson = False) -> None:
    """What this machine offers, and the remedy for each lack."""
    from imageclinic.cli.terminal import records

    terminal = terminal_for(as_json)
    found = imageclinic.doctor(stage=terminal.stage)
    terminal.table(found)
    terminal.result({"found": records(found)})
