"""What the commands share: their common arguments, and the terminal they talk to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from imageclinic.core.option_fields import SEED

RunFolder = Annotated[Path, Argument(help="A run folder, written by imageclinic audit.", show_default=False)]
AsJson = Annotated[bool, Option("--json", help="Print one JSON object; human text goes to standard error.")]
Seed = Annotated[int, Option(help="Seed of everything that is drawn at random."), SEED]


def terminal_for(as_json: bool) -> Any:
    """The terminal of a command; with `as_json`, text goes to standard error."""
    from imageclinic.cli.terminal import Terminal

    return Terminal(as_json)
