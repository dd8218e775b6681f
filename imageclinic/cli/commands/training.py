"""Retraining: `train`, `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from imageclinic.cli.arguments import AsJson, Seed, terminal_for

Weights = Annotated[
    Path | None,
    Option(help="Weights of a pretrained network. Default: Keras's cache; never downloaded.", show_default=False),
]
Unfreeze = Annotated[int, Option(help="Last stages of a pretrained network that are trained as well.")]


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
    from imageclinic.workflows import compare as comparing

    terminal = terminal_for(as_json)
    to = to or Path(f"{out}-model")
    metrics = comparing.train(
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


def compare(
    before: Annotated[
        Path, Argument(metavar="RUN|BEFORE", help="A run folder; or, with AFTER, a dataset.", show_default=False)
    ],
    after: Annotated[
        Path | None,
        Argument(
            metavar="[AFTER]",
            help="Another dataset with the same test images: an export, train/… and test/… folders, or a manifest.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str, Option(help="features (fast), a model that train knows, or FILE.keras, trained anew.")
    ] = "features",
    weights: Weights = None,
    unfreeze: Unfreeze = 0,
    size: Annotated[
        int | None, Option(help="Side in pixels. Default: 32, or the network's own.", show_default=False)
    ] = None,
    seeds: Annotated[int, Option(help="Paired runs of each arm.")] = 5,
    epochs: Annotated[int | None, Option(help="Most epochs of a run.", show_default=False)] = None,
    seed: Seed = 0,
    truth: Annotated[
        Path | None,
        Option(help="For benchmarks: a .csv of image_id and true label; adds a random review.", show_default=False),
    ] = None,
    to: Annotated[
        Path | None,
        Option(help="For two datasets: the folder of the result. Default: AFTER-comparison.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Retrain on the original and the cleaned images; test both on the same images."""
    from imageclinic.workflows import compare as comparing

    terminal = terminal_for(as_json)

    def interrupted(partial: dict[str, Any]) -> None:
        terminal.say(f"Interrupted after {len(partial['seeds'])} of {seeds} seeds. What these say so far:")
        show_comparison(partial, terminal)

    result = comparing.compare(
        before,
        after,
        model=model,
        seeds=seeds,
        epochs=epochs,
        seed=seed,
        size=size,
        unfreeze=unfreeze,
        weights=weights,
        truth=truth,
        to=to,
        stage=terminal.stage,
        interrupted=interrupted,
    )
    show_comparison(result, terminal)
    terminal.result(result)


def show_comparison(result: dict[str, Any], terminal: Any) -> None:
    """Print a comparison: the arms' accuracies, the verdict and its notes."""
    import numpy as np
    import pandas as pd

    rows = [
        {
            "arm": name.replace("_", " "),
            "train": arm["n_train"],
            "val": arm["n_val"],
            **{
                f"accuracy, {labels.replace('_', ' ')} labels": f"{np.mean(arm[labels]['accuracy']):.3f}"
                for labels in ("original", "reviewed", "reviewed_at_random")
                if arm.get(labels)
            },
        }
        for name, arm in result["arms"].items()
    ]
    terminal.table(pd.DataFrame(rows), right=("train", "val"))
    terminal.title(result["verdict"])
    terminal.say(result["power_hint"])
    for note in result.get("notes", []):
        terminal.say(note)
