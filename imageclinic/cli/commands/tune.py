"""Hyperparameter search: `tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

import imageclinic
from imageclinic.cli.arguments import AsJson, Seed, terminal_for

PLACE = 120


def tune(
    out: Annotated[Path, Argument(help="A folder that imageclinic export wrote.", show_default=False)],
    to: Annotated[
        Path | None,
        Option(
            help="Folder for the study and its result, such as a run folder. Default: OUT-tune.", show_default=False
        ),
    ] = None,
    over: Annotated[
        list[str] | None,
        Option(
            help="What to search, repeatable: NAME, NAME=LOW:HIGH or NAME=A,B,C. Names: learning_rate, batch_size, "
            "optimizer, dropout, weight_decay, augment (these by default), l1, l2, model.",
            show_default=False,
        ),
    ] = None,
    search: Annotated[str, Option(help="tpe or gp (Bayesian; gp needs PyTorch), random, or grid.")] = "tpe",
    trials: Annotated[int, Option(help="Trials in the study, with those of earlier runs and other processes.")] = 30,
    budget: Annotated[
        float | None, Option(help="Minutes for the search, without the test.", show_default=False)
    ] = None,
    prune: Annotated[str, Option(help="How bad trials are ended early: median, hyperband or none.")] = "median",
    seeds: Annotated[int, Option(help="Times that the best setting is retrained and tested at the end; 0: never.")] = 5,
    study: Annotated[
        str | None,
        Option(help="URL of an SQL database, to share the search: sqlite:///FILE, postgresql://….", show_default=False),
    ] = None,
    name: Annotated[str, Option(help="Name of the study in its database.")] = "imageclinic",
    model: Annotated[str, Option(help="Rung of the ladder, unless it is searched.")] = "small_cnn",
    epochs: Annotated[int, Option(help="Most epochs of a trial.")] = 30,
    size: Annotated[int | None, Option(help="Side in pixels. Default: from the images.", show_default=False)] = None,
    mirror: Annotated[str, Option(help="Mirror images: yes, no, or auto, where that keeps their class.")] = "auto",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Search for hyperparameters on the validation images; test the best once. Run again, a killed search goes on."""

    terminal = terminal_for(as_json)
    folder = to or Path(f"{out}-tune")
    try:
        result = imageclinic.tune(
            out,
            to=folder,
            over=over or [],
            search=search,
            trials=trials,
            budget=budget,
            prune=prune,
            seeds=seeds,
            study=study,
            name=name,
            stage=terminal.stage,
            model=model,
            epochs=epochs,
            size=size,
            mirror=mirror,
            seed=seed,
        )
    except KeyboardInterrupt as stop:
        partial: dict[str, Any] | None = getattr(stop, "result", None)
        if partial is not None:
            terminal.say("Interrupted. What the trials say so far:")
            show(partial, terminal)
        raise
    show(result, terminal)
    terminal.say(f"Written to {folder}: tuning.json, tuning.html{'' if study else ', study.db'}")
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
