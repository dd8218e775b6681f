"""Why accuracy is not improving: `diagnose`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

import imageclinic
from imageclinic.cli.arguments import AsJson, Seed, terminal_for

PLACE = 130


def diagnose(
    data: Annotated[
        Path | None,
        Argument(
            metavar="[DATA|RUN|OUT]", help="A run, an export or a dataset. Test images stay unseen.", show_default=False
        ),
    ] = None,
    history: Annotated[
        Path | None,
        Option(help="A .csv of Keras's CSVLogger, or the metrics.json of imageclinic train.", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        Option(
            help="FILE.keras, module:function that returns a model, or a rung: linear, small_cnn, …, residual. "
            "Default: as imageclinic train did with OUT.",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[float, Option(help="Minutes for the experiments.")] = 5.0,
    seeds: Annotated[int, Option(help="Runs of each arm, at least 2; below 5 intervals are much wider.")] = 5,
    seed: Seed = 0,
    learning_rate: Annotated[float | None, Option(help="As you train.", show_default=False)] = None,
    batch_size: Annotated[int | None, Option(help="As you train.", show_default=False)] = None,
    epochs: Annotated[int | None, Option(help="As you train; fewer when the budget ends.", show_default=False)] = None,
    optimizer: Annotated[str | None, Option(help="adamw, adam, sgd or rmsprop.", show_default=False)] = None,
    dropout: Annotated[float | None, Option(help="As you train.", show_default=False)] = None,
    weight_decay: Annotated[float | None, Option(help="As you train.", show_default=False)] = None,
    augment: Annotated[str | None, Option(help="none, light, medium or strong.", show_default=False)] = None,
    scale: Annotated[
        float | None,
        Option(help="What your pipeline multiplies pixels, 0 to 255, by: 0.00392 for /255.", show_default=False),
    ] = None,
    label_column: Annotated[str | None, Option(help="Of a manifest: the labels.", show_default=False)] = None,
    classes: Annotated[int | None, Option(help="For a history: number of classes.", show_default=False)] = None,
    val_images: Annotated[
        int | None, Option(help="For a history: number of validation images.", show_default=False)
    ] = None,
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
        data,
        history=history,
        classes=classes,
        val_images=val_images,
        model=model,
        budget=budget,
        seeds=seeds,
        seed=seed,
        label_column=label_column,
        to=to,
        stage=terminal.stage,
        interrupted=interrupted,
        learning_rate=learning_rate,
        batch_size=batch_size,
        epochs=epochs,
        optimizer=optimizer,
        dropout=dropout,
        weight_decay=weight_decay,
        augment=augment,
        scale=scale,
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
        terminal.say(f"What to do: {cause['remedy']}")
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
    if result["not_looked_at"]:
        terminal.title("What was not looked at")
    for name, reason in result["not_looked_at"].items():
        terminal.say(f"- {name.replace('_', ' ')}: {reason}")


def _show_curves(result: dict[str, Any], terminal: Any) -> None:
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
