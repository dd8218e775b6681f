"""Composes the report."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from imageclinic.audit import runner
from imageclinic.core.errors import InputError
from imageclinic.core.progress import Stage, quiet
from imageclinic.core.run import open_run
from imageclinic.workflows.status import DATASET, ISSUES, of_state
from imageclinic.workflows.steps import embedding_map
from imageclinic.workflows.steps.run_state import load


def report(
    run: str | Path,
    *,
    to: str | Path | None = None,
    truth: pd.DataFrame | None = None,
    app: str = "",
    stage: Stage = quiet,
) -> Path:
    """Write report.html, one self-contained file, and return its path.

    Of the folder of a model that `train` wrote, the page shows the test images: which are wrong, what they are taken
    for, and the table of test label against predicted label. Of a run with embeddings and no map of them yet, the map
    is made first, and kept in the run folder.

    Args:
        run: an audited run, or the folder of a model.
        to: the file to write; None: report.html in that folder.
        truth: for datasets with planted faults: check, image_id and label of each.
        app: path of the App's page on the same server, for the report that a review serves; empty: a file without
            links to the App.
        stage: reports what takes long.

    Raises:
        InputError: the run was not audited, or the file can't be written.
    """
    from imageclinic.report import build
    from imageclinic.report.predicted import model_page

    target = None if to is None else Path(to)
    if model_page.is_model(Path(run)):
        return build.written(target or Path(run) / "report.html", model_page.render(Path(run)))
    helps = {name: check.help for name, check in runner.load().items()}
    opened = open_run(Path(run))
    known = load(run, DATASET, ISSUES)
    state = of_state(known)
    try:
        points: pd.DataFrame | str | None = embedding_map.current_map(opened, stage=stage)
    except InputError as error:
        points = f"The map can't be drawn: {error}"
    decided = known.current.dropna(subset=["decision"])
    del known
    return build.write(
        opened,
        target,
        truth=truth,
        status=state["checks"],
        team={name: state[name] for name in ("agreement", "two_reviewers", "gold")},
        help=helps,
        embedding_map=points,
        decisions=dict(zip(decided["image_id"], decided["decision"], strict=True)),
        app=app,
    )
