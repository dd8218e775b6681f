"""Composes a training on an export."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Unpack

from imageclinic.core.errors import InputError
from imageclinic.core.progress import Stage, quiet
from imageclinic.training.fit.settings import Settings, TrainKeywords
from imageclinic.workflows.steps.argument_types import takes_fields_of


@takes_fields_of(Settings)
def train(
    out: str | Path,
    *,
    to: str | Path | None = None,
    stage: Stage = quiet,
    **settings: Unpack[TrainKeywords],
) -> dict[str, Any]:
    """Train on an export: writes a .keras file, its metrics and a model card to `to` (default: OUT-model).

    Args:
        out: an export; of records, a copy as files is made for as long as it takes.
        to: the folder for the model; logs lie there as well, and until it is done what a killed training goes on from.
        stage: progress.
        settings: fields of `training.fit.settings.Settings`.

    Returns:
        The metrics; see `training.fit.train_export.train`.
    """
    from imageclinic import training
    from imageclinic.cleaning.export import export_facts
    from imageclinic.cleaning.export.images_as_files import as_files

    if Path(out).is_file():
        raise InputError(
            f"{out} is a file",
            expected="the folder of an export: what is trained on was audited",
            fix=f"run imageclinic audit {out} and imageclinic export RUN OUT, and train on OUT",
        )
    export_facts.refuse_label_sets(Path(out), "train")
    with stage("Loading TensorFlow"):
        training.load_tensorflow()
    from imageclinic.training.fit.train_export import train as run

    folder = Path(out).absolute().with_name(f"{Path(out).absolute().name}-model") if to is None else Path(to)
    with as_files(Path(out)) as files, stage("Training") as progress:
        return run(files, to=folder, export=Path(out), settings=Settings(**settings), progress=progress)
