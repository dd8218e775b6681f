"""Hyperparameter search: `tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

import imageclinic
from imageclinic.cli.arguments import AsJson, terminal_for
from imageclinic.training.fit.settings import Settings
from imageclinic.training.tune.search_options import SearchOptions

PLACE = 120
#: What a search holds fixed and the command line sets; with the help that means something else here than in `train`.
FIXED = {
    "model": "Rung of the ladder, unless it is searched.",
    "epochs": "Most epochs of a trial.",
    "size": None,
    "mirror": None,
    "seed": None,
}


def tune(
    out: Annotated[Path, Argument(help="A folder that imageclinic export wrote.", show_default=False)],
    *,
    to: Annotated[
        Path | None,
        Option(
            help="Folder for the study and its result, such as a run folder. Default: OUT-tune.", show_default=False
        ),
    ] = None,
    search: SearchOptions,
    settings: Annotated[Settings, FIXED],
    as_json: AsJson = False,
) -> None:
    """Search for hyperparameters on the validation images; test the best once. Run again, a killed search goes on."""

    terminal = terminal_for(as_json)
    folder = to or Path(f"{out}-tune")
    try:
        result = imageclinic.tune(out, to=folder, stage=terminal.stage, **vars(search), **vars(settings))
    except KeyboardInterrupt as stop:
        partial: dict[str, Any] | None = getattr(stop, "result", None)
        if partial is not None:
            terminal.say("Interrupted. What the trials say so far:")
            show(partial, terminal)
        raise
    show(result, terminal)
    terminal.say(f"Written to {folder}: tuning.json, tuning.html{'' if search.study else ', study.db'}")
    terminal.result({"folder": str(folder), **result})


def show(result: dict[str, Any], terminal: Any) -> None:
    """Print a search: its best setting, what mattered, what the test says, and how to train with it."""
    counts = ", ".join(f"{n} {state}" for state, n in result["counts"].items() if n)
    terminal.title(f"{len(result['trials'])} trials: {counts}")
    reasons = [row["reason"] for row in result["trials"] if row["reason"]]
    for reason in sorted(set(reasons)):
        terminal.say(f"{reasons.count(reason)} failed: {reason}")
    for line in result["words"]:
        terminal.say(line)
    terminal.title("Train with the best options")
    terminal.say(result["command"])
