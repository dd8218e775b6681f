"""`imageclinic train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

import imageclinic
from imageclinic.cli.arguments import AsJson, terminal_for
from imageclinic.training.fit.settings import Settings

PLACE = 100


def train(
    out: Annotated[Path, Argument(help="A folder that imageclinic export wrote.", show_default=False)],
    *,
    to: Annotated[Path | None, Option(help="Folder for the model. Default: OUT-model.", show_default=False)] = None,
    settings: Settings,
    as_json: AsJson = False,
) -> None:
    """Train on an export: a .keras file, its metrics and a model card. Run again, a killed training goes on."""

    terminal = terminal_for(as_json)
    to = to or Path(f"{out}-model")
    metrics = imageclinic.train(out, to=to, stage=terminal.stage, **vars(settings))
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
        terminal.say(f"Changed more ({settings.augment_starved}), having few images: {', '.join(metrics['starved'])}")
    if metrics["advice"]:
        terminal.say(metrics["advice"])
    terminal.say(f"Written to {to}: model.keras, metrics.json, MODEL_CARD.md, logs")
    if metrics["test"]:
        terminal.say(f"Which test images are wrong, and what they are taken for: imageclinic report {to}")
    terminal.result({"folder": str(to), **metrics})
