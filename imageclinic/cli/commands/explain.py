"""`imageclinic explain`."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

import imageclinic
from imageclinic.cli.arguments import AsJson, terminal_for

PLACE = 160


def explain(
    check: Annotated[str | None, Argument(help="A check. Default: all.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """What a check of an audit, or of new images, detects, why it matters, and what to do."""
    from imageclinic.cli.terminal import records

    terminal = terminal_for(as_json)
    found = imageclinic.explain(check)
    if check is None:
        terminal.table(found[["check", "command", "summary"]])
    for row in records(found) if check is not None else ():
        terminal.title(row["check"] if row["command"] == "audit" else f"{check}, of new images (imageclinic check)")
        terminal.say(row["help"], lines=True)
        for name, default in row["options"].items():
            terminal.say(f"  --set {check}.{name}={default}   (the default)")
    terminal.result({"checks": records(found)})
