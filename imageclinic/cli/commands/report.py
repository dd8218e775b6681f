"""`imageclinic report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

import imageclinic
from imageclinic.cli.arguments import AsJson, RunFolder, terminal_for

PLACE = 140


def report(
    run: RunFolder,
    to: Annotated[
        Path | None, Option(help="The file to write. Default: report.html in that folder.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write report.html, one self-contained file. Of a folder that imageclinic train wrote: the test images."""

    terminal = terminal_for(as_json)
    path = imageclinic.report(run, to=to, stage=terminal.stage)
    terminal.say(f"Report: {path}")
    terminal.result({"report": str(path)})
