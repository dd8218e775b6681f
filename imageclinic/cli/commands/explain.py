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
    """What a check detects, why it matters, and what to do."""
    from imageclinic.cli.terminal import records

    terminal = terminal_for(as_json)
    found = imageclinic.explain(check)
    if check is None:
        terminal.table(found[["check", "summary"]])
    else:
        terminal.title(check)
        terminal.say(found["help"].iloc[0], lines=True)
        for name, default in found["options"].iloc[0].items():
            terminal.say(f"  --set {check}.{name}={default}   (the default)")
    terminal.result({"checks": records(found)})
