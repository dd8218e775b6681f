"""`imageclinic compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

import imageclinic
from imageclinic.cli.arguments import AsJson, terminal_for
from imageclinic.training.compare.compare_options import CompareOptions

PLACE = 110


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
    *,
    options: CompareOptions,
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
    """Retrain on the original and the cleaned images; test both on the same images.

    Copies of test images are learnt from on neither side; what they do to accuracy is measured apart.
    """

    terminal = terminal_for(as_json)

    def interrupted(partial: dict[str, Any]) -> None:
        terminal.say(f"Interrupted after {len(partial['seeds'])} of {options.seeds} seeds. What these say so far:")
        show_comparison(partial, terminal)

    result = imageclinic.compare(
        before,
        after,
        truth=truth,
        to=to,
        stage=terminal.stage,
        interrupted=interrupted,
        **vars(options),
    )
    show_comparison(result, terminal)
    terminal.result(result)


def show_comparison(result: dict[str, Any], terminal: Any) -> None:
    """Print a comparison: what a leak does, the arms' accuracies, the verdict, its parts and notes."""
    import numpy as np
    import pandas as pd

    leak = result["leak"]
    rows = [
        {
            "arm": "original, with the leak"
            if name == "original" and result["baseline"] != name
            else name.replace("_", " "),
            "train": arm["n_train"],
            "val": arm["n_val"],
            "validation": f"{np.mean(arm['validation_accuracy']):.3f}",
            **{
                f"accuracy, {labels.replace('_', ' ')} labels": f"{np.mean(arm[labels]['accuracy']):.3f}"
                for labels in ("original", "reviewed", "reviewed_at_random")
                if arm.get(labels)
            },
        }
        for name, arm in result["arms"].items()
    ]
    terminal.table(pd.DataFrame(rows), right=("train", "val"))
    for sentence in [] if leak is None else leak["sentences"]:
        terminal.title(sentence)
    terminal.title(result["verdict"])
    for step in result["steps"]:
        terminal.say(step["sentence"])
    if result["power_hint"]:
        terminal.say(result["power_hint"])
    for note in result["notes"]:
        terminal.say(note)
