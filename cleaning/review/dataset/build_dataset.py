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
from imageclinic.cleaning.review.dataset import appearance, load_samples, sample_rows, saved_views
from imageclinic.core import tables
from imageclinic.core.reading.hashing import text_digest
from imageclinic.core.run import Run

if TYPE_CHECKING:
    import fiftyone as fo


#: What decides which copy stays, and which decisions hold.
_OF_SURVIVORS = ("image_id", "label", "split", "bytes", "sha256", "width", "height", "read_error")


def build_from(run: Run, *, progress: Callable[[int, int], None] | None = None) -> fo.Dataset:
    """Read decisions and survivors of `run` and `build` its dataset."""
    current, proposed, rows = decided(run)
    return build(run, current=current, survivors=proposed, log_rows=rows, progress=progress)


def decided(run: Run) -> tuple[pd.DataFrame, pd.DataFrame | None, int]:
    """The decisions in force, the survivors of the copies as `build` takes them, and how many rows the log has."""
    dataset = run.read(tables.DATASET, _OF_SURVIVORS)
    log = decision_log.read(run.decisions)
    current = decision_log.current(log, dataset)
    proposed = None
    if run.has(tables.CLUSTERS) and run.has(tables.SPLIT_TABLE) and run.has(tables.FEATURES):
        proposed = choose_survivors(
            dataset,
            run.read(tables.FEATURES, ["image_id", "sharpness"]),
            run.read(tables.CLUSTERS),
            run.read(tables.SPLIT_TABLE),
            current,
        )
    return current, proposed, len(log)


def build(
    run: Run,
    *,
    current: pd.DataFrame,
    survivors: pd.DataFrame | None = None,
    log_rows: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> fo.Dataset:
    """Make (or rebuild) the FiftyOne dataset of `run`, with saved views, sidebar and colours.

    Above `sample_rows.MOST_IMAGES` images the worst of each check and class are loaded, see `shown_images`.

    Args:
        run: an audited run.
        current: columns ``image_id, decision, label, reviewer, decided_at`` and optionally ``disputed``.
        survivors: columns ``image_id, cluster, survivor`` (bool), or None when there are no copies.
        log_rows: how many rows of the decision log `current` knows; what comes later, the plugin brings in.
        progress: called with (done, total) while pictures are converted.

    Returns:
        The persistent dataset, named after the run's path (see `dataset_name`).
    """
    import fiftyone as fo

    rows, checks = sample_rows.collect(run, current, survivors, progress)
    name = dataset_name(run)
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    dataset = load_samples.load(name, rows, checks)
    for field in ("image_id", "queue", "doubt", "in_inbox", "calibrate", "decision", "cluster", *checks):
        dataset.create_index(field)
    labels = run.read(tables.DATASET, ["label"])["label"]
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
