"""Why accuracy is not improving: `diagnose`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

import imageclinic
from imageclinic.cli.arguments import AsJson, terminal_for
from imageclinic.training.diagnose.diagnose_options import DiagnoseOptions

PLACE = 130


def diagnose(
    data: Annotated[
        Path | None,
        Argument(
            metavar="[DATA|RUN|OUT]", help="A run, an export or a dataset. Test images stay unseen.", show_default=False
        ),
    ] = None,
    *,
    history: Annotated[
        Path | None,
        Option(help="A .csv of Keras's CSVLogger, or the metrics.json of imageclinic train.", show_default=False),
    ] = None,
    options: DiagnoseOptions,
    to: Annotated[
        Path | None, Option(help="Folder of the result. Default: RUN, or DATA-diagnosis.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Why is accuracy not improving: small experiments on your images, ranked causes with evidence."""

    terminal = terminal_for(as_json)

    def interrupted(partial: dict[str, Any]) -> None:
        terminal.say(f"Interrupted after {len(partial['experiments'])} experiments. What these say so far:")
        show(partial, terminal)

    result = imageclinic.diagnose(
        data, history=history, to=to, stage=terminal.stage, interrupted=interrupted, **vars(options)
    )
    show(result, terminal)
    terminal.result(result)


def show(result: dict[str, Any], terminal: Any) -> None:
    """Print a diagnosis: causes, what was tried, what was not, and what the curves of a history say."""
    if "causes" in result:
        _show_experiments(result, terminal)
    if "signs" in result:
        _show_curves(result, terminal)


def _show_experiments(result: dict[str, Any], terminal: Any) -> None:
    import pandas as pd

    from imageclinic.training.diagnose.causes import points

    for note in result["notes"]:
        terminal.say(note)
    terminal.title(result["verdict"])
    for number, cause in enumerate(result["causes"], start=1):
        terminal.title(f"{number}. {cause['cause'].replace('_', ' ').capitalize()}: {points(cause)}")
        terminal.say(cause["evidence"])
        line = f"What to do: {cause['remedy']}"
        is_command = cause["remedy"].startswith("imageclinic ") and ": " not in cause["remedy"]
        (terminal.command if is_command else terminal.say)(line)
    if result["possible"]:
        terminal.title("May help, but that is not sure")
    for cause in result["possible"]:
        terminal.say(f"- {cause['cause'].replace('_', ' ')}, {points(cause)}: {cause['remedy']}")
    terminal.title("What was tried")
    rows = [
        {"question": found["question"], "answer": found["answer"], "seconds": f"{found['seconds']:.0f}"}
        for found in result["experiments"].values()
    ]
    terminal.table(pd.DataFrame(rows), right=("seconds",))
    if result["not_tested"]:
        terminal.title("What was not looked at")
    for name, reason in result["not_tested"].items():
        terminal.say(f"- {name.replace('_', ' ')}: {reason}")


def _show_curves(result: dict[str, Any], terminal: Any) -> None:
    for sign in result["signs"]:
        terminal.title(sign["sign"].replace("_", " "))
        terminal.say(sign["evidence"])
        terminal.say(f"May mean: {', '.join(m.replace('_', ' ') for m in sign['may_mean'])}")
        terminal.say(f"What to do: {sign['remedy']}")
    if not result["signs"]:
        terminal.say(f"{result['epochs']} epochs, and no sign of trouble in their curves. That does not mean healthy.")
    terminal.title("What these curves can't show")
    for line in result["unknown"]:
        terminal.say(f"- {line}")
