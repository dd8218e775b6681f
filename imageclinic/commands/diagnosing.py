"""Why accuracy is not improving: `diagnose`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from imageclinic.commands.shared import AsJson, terminal_for


def diagnose(
    history: Annotated[
        Path,
        Option(help="A .csv of Keras's CSVLogger, or the metrics.json of imageclinic train.", show_default=False),
    ],
    classes: Annotated[
        int | None, Option(help="Number of classes: tells what guessing would give.", show_default=False)
    ] = None,
    val_images: Annotated[
        int | None, Option(help="Number of validation images: tells how much is chance.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Why is accuracy not improving: what the curves of one training run say, and what they can't."""
    from imageclinic import diagnosing

    terminal = terminal_for(as_json)
    result = diagnosing.diagnose(history=history, classes=classes, val_images=val_images)
    for sign in result["signs"]:
        terminal.title(sign["sign"].replace("_", " "))
        terminal.say(sign["evidence"])
        terminal.say(f"May mean: {', '.join(m.replace('_', ' ') for m in sign['may_mean'])}")
        terminal.say(f"What to do: {sign['remedy']}")
    if not result["signs"]:
        terminal.say(f"{result['epochs']} epochs, and no sign of trouble in their curves. That does not mean healthy.")
    terminal.title("What these curves can't tell")
    for line in result["unknown"]:
        terminal.say(f"- {line}")
    terminal.result(result)
