"""`imageclinic diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument

import imageclinic
from imageclinic.cli.arguments import AsJson, terminal_for

PLACE = 90


def diff(
    one: Annotated[Path, Argument(help="An export.", show_default=False)],
    two: Annotated[Path, Argument(help="Another export.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """What changed between two exports."""
    from imageclinic.cli.terminal import records

    terminal = terminal_for(as_json)
    changes = imageclinic.diff(one, two)
    terminal.say(f"{len(changes):,} changes.")
    if len(changes):
        terminal.table(changes.head(50))
    terminal.result({"changes": records(changes)})
