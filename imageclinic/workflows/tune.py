"""Composes a hyperparameter search with where its result goes."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Unpack

from imageclinic.core import tables
from imageclinic.core.processes.optional_packages import require
from imageclinic.core.progress import Stage, quiet
from imageclinic.training.fit.settings import Settings
from imageclinic.training.tune.search_options import SearchOptions, TuneKeywords
from imageclinic.workflows.steps.argument_types import takes_fields_of

FILE, PAGE = "tuning.json", "tuning.html"


@takes_fields_of(SearchOptions, Settings)
def tune(
    out: str | Path,
    *,
    to: str | Path | None = None,
    stage: Stage = quiet,
    **options: Unpack[TuneKeywords],
) -> dict[str, Any]:
    """Search for hyperparameters on an export, and test the best once. Writes tuning.json and tuning.html to `to`.

    Args:
        out: an export.
        to: folder for the study, finished retrainings and tuning.json, such as a run folder, whose report then shows
            the search; None: ``OUT-tune``.
        stage: progress.
        options: fields of `training.tune.search_options.SearchOptions`: over, search, trials, budget, prune, seeds,
            study and name; and of `training.fit.settings.Settings`, what is not searched.

    Returns:
        The content of tuning.json; see `training.tune.search.tune`.

    Raises:
        InputError, Failed: see `training.tune.search.tune`.
        imageclinic.training.tune.search.Interrupted: Ctrl-C; what is done is written to tuning.json, too.
    """
    from imageclinic import training
    from imageclinic.cleaning.export import export_facts

    require("optuna", "sqlalchemy")
    export_facts.refuse_label_sets(Path(out), "tune")
    with stage("Loading TensorFlow"):
        training.load_tensorflow()
    from imageclinic.training.tune import search as tuning

    out = Path(out)
    folder = Path(to) if to is not None else out.absolute().with_name(f"{out.absolute().name}-tune")
    given: dict[str, Any] = {**options}
    search = SearchOptions(**{each.name: given.pop(each.name) for each in fields(SearchOptions) if each.name in given})
    settings = Settings(**given)
    try:
        result = tuning.tune(out, folder, search, settings, stage=stage)
    except tuning.Interrupted as stop:
        if stop.result is not None:
            _write(folder, stop.result)
        raise
    _write(folder, result)
    return result


def _write(folder: Path, result: dict[str, Any]) -> None:
    from imageclinic.report import search_section

    tables.write_json(folder / FILE, result)
    tables.write_text(folder / PAGE, search_section.page(result))
