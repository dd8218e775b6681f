"""The FiftyOne dataset of a run: fields, indexes, saved views, sidebar, colours, and then its images.

The run folder is the truth, and the dataset is built from it and from the decision log at every opening. A review does
that in two processes at once: the App's server makes the dataset (`make`), ours collects the images and loads them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from imageclinic.cleaning.review.dataset import appearance, fields, load_samples, run_contents, saved_views
from imageclinic.cleaning.review.dataset.run_contents import Plan, dataset_name
from imageclinic.core.run import Run

if TYPE_CHECKING:
    import fiftyone as fo

__all__ = ["build_from", "dataset_name", "make"]
_INDEXED = ("image_id", "queue", "doubt", "in_inbox", "calibrate", "decision", "cluster")


def build_from(
    run: Run, *, reviewer: str | None = None, progress: Callable[[int, int], None] | None = None
) -> fo.Dataset:
    """All of it in one process: the persistent dataset of `run` with its images, for one reviewer where one is
    named."""
    contents = run_contents.of_run(run, reviewer=reviewer, progress=progress)
    dataset = make(contents.plan)
    load_samples.load(contents.items, contents.plan["checks"], load_samples.place_of(dataset))
    return dataset


def make(plan: Plan) -> fo.Dataset:
    """Make (or replace) the persistent dataset, without images; `load_samples.load` brings them in."""
    import fiftyone as fo

    if fo.dataset_exists(plan["name"]):
        fo.delete_dataset(plan["name"])
    dataset = fo.Dataset(plan["name"], persistent=True)
    fields.declare(dataset, plan["checks"])
    for field in (*_INDEXED, *plan["checks"]):
        dataset.create_index(field)
    dataset.default_classes = plan["classes"]
    dataset.description = plan["description"]
    dataset.info = {"imageclinic": dict(plan["facts"])}
    dataset.media_type = "image"
    saved_views.save(
        dataset,
        plan["checks"],
        side_by_side=plan["side_by_side"],
        tested=plan["tested"],
        reviewer=plan["reviewer"],
    )
    appearance.furnish(dataset, plan["checks"])
    dataset.save()
    return dataset
