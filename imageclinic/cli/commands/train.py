"""`imageclinic train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

import imageclinic
from imageclinic.cli.arguments import AsJson, Seed, Unfreeze, Weights, terminal_for

PLACE = 100


def train(
    out: Annotated[Path, Argument(help="A folder that imageclinic export wrote.", show_default=False)],
    to: Annotated[Path | None, Option(help="Folder for the model. Default: OUT-model.", show_default=False)] = None,
    model: Annotated[
        str, Option(help="linear, small_cnn, large_cnn, residual, pretrained, or a network's name: resnet50v2, ….")
    ] = "small_cnn",
    weights: Weights = None,
    unfreeze: Unfreeze = 0,
    epochs: Annotated[int, Option(help="Most epochs.")] = 30,
    seed: Seed = 0,
    size: Annotated[int | None, Option(help="Side in pixels. Default: from the images.", show_default=False)] = None,
    batch_size: Annotated[int, Option(help="Images a step.")] = 64,
    learning_rate: Annotated[
        float | None,
        Option(help="Of the optimizer, at its highest. Default: 0.001; 0.0001 with --unfreeze.", show_default=False),
    ] = None,
    optimizer: Annotated[str, Option(help="adamw, sgd (with momentum) or rmsprop.")] = "adamw",
    schedule: Annotated[str, Option(help="How the learning rate falls: plateau or cosine.")] = "plateau",
    warm_up: Annotated[int, Option(help="Epochs over which the learning rate rises first.")] = 0,
    patience: Annotated[int, Option(help="Epochs without progress before training stops.")] = 5,
    weight_decay: Annotated[float, Option(help="Of the optimizer, on kernels.")] = 1e-3,
    dropout: Annotated[float, Option(help="Share of the last features dropped in training.")] = 0.2,
    l1: Annotated[float, Option(help="L1 penalty on kernels.")] = 0.0,
    l2: Annotated[float, Option(help="L2 penalty on kernels.")] = 0.0,
    augment: Annotated[str, Option(help="none, light, medium or strong.")] = "light",
    augment_starved: Annotated[
        str, Option(help="Change images of classes with less than half the average number more: medium, strong.")
    ] = "none",
    mirror: Annotated[str, Option(help="Mirror images: yes, no, or auto, where that keeps their class.")] = "auto",
    balance: Annotated[
        str, Option(help="Rare classes: auto (as the export says), none, weights (in the loss), sampling (shown more).")
    ] = "auto",
    as_json: AsJson = False,
) -> None:
    """Train on an export: a .keras file, its metrics and a model card. Run again, a killed training goes on."""

    terminal = terminal_for(as_json)
    to = to or Path(f"{out}-model")
    metrics = imageclinic.train(
        out,
        to=to,
        stage=terminal.stage,
        model=model,
        epochs=epochs,
        seed=seed,
        size=size,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
        warm_up=warm_up,
        patience=patience,
        weight_decay=weight_decay,
        optimizer=optimizer,
        dropout=dropout,
        l1=l1,
        l2=l2,
        augment=augment,
        augment_starved=augment_starved,
        unfreeze=unfreeze,
        weights=None if weights is None else str(weights),
        mirror=mirror,
        balance=balance,
    )
    for part in ("validation", "test"):
        if metrics[part]:
            scores = metrics[part]
            terminal.say(f"{part}: accuracy {scores['accuracy']:.3f}, macro-F1 {scores['macro_f1']:.3f}")
    if metrics["not_validated"]:
        terminal.say(
            f"No validation images of {', '.join(metrics['not_validated'])}: the epoch was chosen without them. "
            "Export with a larger validation part, such as --split 0.7,0.2,0.1."
        )
    if metrics["starved"]:
        terminal.say(f"Changed more ({augment_starved}), having few images: {', '.join(metrics['starved'])}")
    if metrics["advice"]:
        terminal.say(metrics["advice"])
    terminal.say(f"Written to {to}: model.keras, metrics.json, MODEL_CARD.md, logs")
    terminal.result({"folder": str(to), **metrics})
