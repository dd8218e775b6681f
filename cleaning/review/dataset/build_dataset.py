"""A run folder as a dataset in the FiftyOne App: samples, saved views, sidebar, colours.

The run folder is the truth, and the dataset is rebuilt from it and from the decision log at every opening.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

from imageclinic.cleaning.decisions import decision_log, label_ranking
from imageclinic.cleaning.decisions.survivors import choose as choose_survivors
from imageclinic.cleaning.review.dataset import appearance, load_samples, own_rows, sample_rows, saved_views
from imageclinic.cleaning.reviewers import own_decision, team_settings
from imageclinic.core import tables
from imageclinic.core.reading.hashing import text_digest
from imageclinic.core.run import Run

if TYPE_CHECKING:
    import fiftyone as fo


def build_from(
    run: Run, *, reviewer: str | None = None, progress: Callable[[int, int], None] | None = None
) -> fo.Dataset:
    """Read decisions and survivors of `run` and `build` its dataset, for one reviewer where one is named."""
    dataset = run.read(tables.DATASET)
    log = decision_log.read(run.decisions)
    current = decision_log.current(log, dataset)
    proposed = None
    if run.has(tables.CLUSTERS) and run.has(tables.SPLIT_TABLE) and run.has(tables.FEATURES):
        proposed = choose_survivors(
            dataset,
            run.read(tables.FEATURES),
            run.read(tables.CLUSTERS),
            run.read(tables.SPLIT_TABLE),
            current,
        )
    if reviewer is not None:
        current = own_decision.current(run, log, dataset, current, reviewer)
    return build(run, current=current, survivors=proposed, log_rows=len(log), progress=progress, reviewer=reviewer)


def build(
    run: Run,
    *,
    current: pd.DataFrame,
    survivors: pd.DataFrame | None = None,
    log_rows: int = 0,
    progress: Callable[[int, int], None] | None = None,
    reviewer: str | None = None,
) -> fo.Dataset:
    """Make (or rebuild) the FiftyOne dataset of `run`, with saved views, sidebar and colours.

    Above `sample_rows.MOST_IMAGES` images the worst of each check and class are loaded, see `shown_images`.

    Args:
        run: an audited run.
        current: columns ``image_id, decision, label, reviewer, decided_at`` and optionally ``disputed``.
        survivors: columns ``image_id, cluster, survivor`` (bool), or None when there are no copies.
        log_rows: how many rows of the decision log `current` knows; what comes later, the plugin brings in.
        progress: called with (done, total) while pictures are converted.
        reviewer: whose queue it is, see `own_rows.arranged`; None: everybody's.

    Returns:
        The persistent dataset, named after the run's path (see `dataset_name`).
    """
    import fiftyone as fo

    settings = team_settings.read(run)
    rows, checks = sample_rows.collect(run, current, survivors, progress, (*settings.two_reviewers, *settings.gold))
    if reviewer is not None:
        rows = own_rows.arranged(run, rows, settings, reviewer)
    name = dataset_name(run)
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    dataset = load_samples.load(name, rows, checks)
    for field in ("image_id", "queue", "doubt", "in_inbox", "calibrate", "decision", "cluster", *checks):
        dataset.create_index(field)
    labels = run.read(tables.DATASET)["label"]
    dataset.default_classes = sorted(labels.dropna().unique())
    dataset.description = f"imageclinic review of {run.path}"
    latest = label_ranking.newest(run)
    facts = {"run": str(run.path), "checks": checks, "ranked": latest.name if latest else None, "log_rows": log_rows}
    facts["images"] = len(labels)
    dataset.info = {"imageclinic": facts}
    saved_views.save(dataset, checks)
    appearance.furnish(dataset, checks)
    dataset.save()
    return dataset


def dataset_name(run: Run) -> str:
    """The dataset's name in FiftyOne: the same for every opening of the run folder at this path."""
    digest = text_digest(str(run.path), 8)
    word = re.sub(r"[^A-Za-z0-9]+", "-", run.path.name).strip("-").lower() or "run"
    return f"imageclinic-{word}-{digest}"
