"""The two sides of a check: new images, listed and scanned; and what the run knows of its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imageclinic.audit import runner
from imageclinic.audit.against.copies_of_run import Scanned
from imageclinic.audit.listing import image_listing
from imageclinic.audit.listing.annotation_exports import export_source
from imageclinic.audit.scan import scan
from imageclinic.audit.scan.scan_options import ScanOptions
from imageclinic.cleaning.decisions import apply
from imageclinic.core import tables
from imageclinic.core.processes.temporary_folders import temporary_folder
from imageclinic.core.progress import Progress, Say, Stage
from imageclinic.core.run import Run, create
from imageclinic.workflows.steps import run_state
from imageclinic.workflows.steps.auditing import audit_source, packed_data


@dataclass(frozen=True)
class RunSide:
    """An audited run: its state; `known`: image_id, split (frozen), label (decided), decision (null: none) and outlier
    (whether its audit flagged it as one) of every image; `labelled`: image_id, sha256, label (decided), given (label),
    split (the dataset's own) and split_group of those that a model may learn from."""

    state: run_state.State
    features: pd.DataFrame
    known: pd.DataFrame
    labelled: pd.DataFrame

    @property
    def run(self) -> Run:
        """The run folder."""
        return self.state.run

    @property
    def classes(self) -> dict[str, int]:
        """Readable images of each class, by the labels that were decided."""
        return {str(name): int(n) for name, n in self.labelled["label"].value_counts().items()}

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """What each check of the audit was run with. Defaults where the run, maybe somebody else's, has no such option
        or no number that it may be."""
        used = {str(o.get("check")): o.get("options") or {} for o in self.run.info().get("outcomes", [])}
        return {
            name: {
                option: value
                if type(value := used.get(name, {}).get(option, default)) is type(default)
                and value in check.ranges.get(option, (value,))
                else default
                for option, default in check.options.items()
            }
            for name, check in runner.load().items()
        }

    def scanned(self) -> Scanned:
        """For the search of copies; reads the thumbnails."""
        return Scanned(self.state.dataset, self.features, self.run.read_thumbnails(), self.run.files)


def read_run(path: str | Path) -> RunSide:
    """Read a run. Raises InputError when it was not audited."""
    state = run_state.load(path)
    features = state.run.read_beside(state.dataset, tables.FEATURES)
    cleaned, _ = apply.apply(state.dataset, state.current)
    at = state.dataset["image_id"]
    decided = state.dataset["label"].where(
        ~at.isin(cleaned["image_id"]), at.map(cleaned.set_index("image_id")["label"])
    )
    known = pd.DataFrame(
        {
            "image_id": at,
            "split": at.map(state.splits.set_index("image_id")["split"]).astype("str"),
            "label": decided,
            "decision": at.map(state.current.set_index("image_id")["decision"]).astype("str"),
            "outlier": at.isin(state.issues.loc[state.issues["check"] == "outlier", "image_id"]),
        }
    )
    given = state.dataset.set_index("image_id")["label"]
    labelled = cleaned[["image_id", "sha256", "label", "split"]].assign(given=cleaned["image_id"].map(given))
    groups = state.clusters.set_index("image_id")["split_group"]
    labelled["split_group"] = labelled["image_id"].map(groups).astype("str").fillna(labelled["image_id"])
    return RunSide(state, features, known, labelled)


@contextlib.contextmanager
def listed(
    new: str | Path | pd.DataFrame | packed_data.InMemory,
    root: str | Path | None,
    columns: Mapping[str, str] | None,
    layout: str | None,
    stage: Stage,
    say: Say,
) -> Iterator[image_listing.Listing]:
    """The listing of the new images, as an audit makes it; a folder of images without class folders is unlabelled.
    Packed ones are files for as long as the context.

    Raises:
        InputError: see `audit_source.listed`.
    """
    if layout is None and isinstance(new, str | os.PathLike) and _is_flat(place := Path(new)):
        layout = "any" if export_source.recognise(place, dict(columns or {}), None) is None else None
    with temporary_folder("imageclinic-check-") as scratch:
        yield audit_source.listed(new, scratch / "new", root, columns, layout, False, stage, say)


def scanned(listing: image_listing.Listing, options: ScanOptions, notes: list[str], progress: Progress) -> Scanned:
    """Measure the new images, in a temporary folder: nothing is written beside them."""
    with temporary_folder("imageclinic-check-") as scratch:
        run = create(scratch / "run")
        how = vars(options)
        dataset, features = scan.scan(run, listing.images, listing.root, **how, progress=progress, notes=notes)
        ids, thumbnails = run.read_thumbnails()
        thumbnails = np.array(thumbnails)  # its own memory: the file goes
    root = listing.root
    return Scanned(dataset, features, (ids, thumbnails), lambda i: root / tables.to_path(i))


def _is_flat(folder: Path) -> bool:
    """Whether a folder has files, and no folders that could be classes."""
    if not folder.is_dir():
        return False
    inside = [p for p in folder.iterdir() if not p.name.startswith(".")]
    return bool(inside) and not any(p.is_dir() for p in inside)
