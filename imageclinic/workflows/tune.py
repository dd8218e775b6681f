"""Composes a hyperparameter search with where its result goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imageclinic.core import tables
from imageclinic.core.progress import Stage, quiet

FILE, PAGE = "tuning.json", "tuning.html"


def tune(
    out: str | Path,
    *,
    to: str | Path | None = None,
    over: list[str] | tuple[str, ...] = (),
    search: str = "tpe",
    trials: int = 30,
    budget: float | None = None,
    prune: str = "median",
    seeds: int = 5,
    study: str | None = None,
    name: str = "imageclinic",
    stage: Stage = quiet,
    **settings: Any,
) -> dict[str, Any]:
    """Search for hyperparameters on an export, and test the best once. Writes tuning.json and tuning.html to `to`.

    Args:
        out: an export.
        to: folder for the study, finished retrainings and tuning.json, such as a run folder, whose report then tells of
            the search; None: ``OUT-tune``.
        over, search, trials, budget, prune, seeds: see `training.tune.search.Search`.
        study, name: URL of an SQL database and name of the study in it, to share a search; None: ``study.db`` in `to`.
        stage: progress.
        settings: fields of `training.fit.settings.Settings` that are not searched.

    Returns:
        The content of tuning.json; see `training.tune.search.tune`.

    Raises:
        InputError, Failed: see `training.tune.search.tune`.
        imageclinic.training.tune.search.Interrupted: Ctrl-C; what is done is written to tuning.json, too.
    """
    from imageclinic import training

    training.load_tensorflow()
    from imageclinic.training.fit.settings import Settings
    from imageclinic.training.tune import search as tuning

    out = Path(out)
    folder = Path(to) if to is not None else out.absolute().with_name(f"{out.absolute().name}-tune")
    how = tuning.Search(
        over=over,
        search=search,
        trials=trials,
        budget=budget,
        prune=prune,
        seeds=seeds,
        settings=Settings(**settings),
        url=study,
        name=name,
    )
    try:
        result = tuning.tune(out, folder, how=how, stage=stage)
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
