"""What a diagnosis looks at: the labelled images of a run, an export or a dataset, and which of them validate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from imageclinic.cleaning.decisions import apply
from imageclinic.cleaning.export import export_facts
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.naming import label_sets, run_names
from imageclinic.core.progress import Stage, quiet, silent
from imageclinic.core.reading.saved_verdict import HARMLESS
from imageclinic.core.run import MARKER
from imageclinic.training.compare.arms import ARM_COLUMNS
from imageclinic.training.compare.known_embeddings import Embedded
from imageclinic.training.diagnose.results import Effect
from imageclinic.workflows.steps import audit_causes, comparison_arms
from imageclinic.workflows.steps.auditing import audit_source, label_noise, packed_data
from imageclinic.workflows.steps.run_state import State, load


@dataclass(frozen=True)
class Material:
    """`images`: image_id, path, label, split (train, val) and split_group; `folder`: where the diagnosis is written;
    `notes`: what users should know. Of an audited run: `known`, the causes that the audit found, and `embedded`, its
    embeddings, where a pretrained network made them."""

    images: pd.DataFrame
    folder: Path
    notes: tuple[str, ...]
    known: Sequence[Effect] = ()
    embedded: Embedded | None = None


def find(
    data: Path | packed_data.InMemory,
    to: Path | None,
    seed: int,
    *,
    label_column: str | None = None,
    stage: Stage = quiet,
) -> Material:
    """Read what a user gave. Test images are never looked at.

    Args:
        data: a run (its decisions are applied), an export, or a dataset: what `audit` takes.
        to: where the diagnosis goes, and unpacked images; None: into a run, else beside the data, ``NAME-diagnosis``;
            of data in memory or in an object store, into `run_names.RUNS`.
        seed: of the draw of validation images, where the data has none.
        label_column: of a manifest.
        stage: progress.

    Raises:
        InputError: nothing there, or no labelled images to learn from.
    """
    name = packed_data.name_of(data) if isinstance(data, str) else "memory"
    path = data if isinstance(data, Path) else run_names.RUNS / name
    whole = path.absolute()
    beside = whole.with_name(f"{whole.stem if whole.is_file() else whole.name}-diagnosis")
    notes: list[str] = []
    known: list[Effect] = []
    embedded = None
    here = isinstance(data, Path)
    if here and (path / MARKER).is_file():
        state = load(path)
        label_sets.refuse(state.run.info(), "diagnose")
        images, folder = _of_run(state), whole
        known, embedded = audit_causes.find(state), comparison_arms.embedded(state.run)
        noise = state.run.info().get("label_noise")
        if noise and not noise.get("established") and not any(cause.cause == "label_noise" for cause in known):
            notes.append(f"The audit: {label_noise.in_words(noise)}")
        # What is a cause of its own is ranked with those that experiments find.
        notes += [
            f"The audit: {line['sentence']}: {line['consequence']}. → {line['command']}"
            for line in state.run.headlines
            if line["severity"] >= HARMLESS and line["cause"] not in audit_causes.CAUSES
        ]
    elif here and (path / tables.MANIFEST.file).is_file():
        export_facts.refuse_label_sets(path, "diagnose")
        manifest = tables.read_csv(path / tables.MANIFEST.file, tables.MANIFEST)
        images, folder = manifest.assign(path=[str(path / tables.to_path(p)) for p in manifest["path"]]), beside
    else:
        columns = None if label_column is None else {"label": label_column}
        listing = audit_source.listed(data, (to or beside) / "unpacked", None, columns, None, False, stage, silent)
        paths = [str(listing.root / tables.to_path(i)) for i in listing.images["image_id"]]
        images, folder = listing.images.assign(path=paths, split_group=listing.images["group"]), beside
        named = path if here else listing.packed
        notes.append(f"{named} was not audited: copies are found by small pictures, wrong labels by a quick model.")
    if label_column is not None and path.is_dir():
        raise InputError(f"--label-column {label_column} with {path}", expected="a manifest with it")
    images = images[images["label"].notna()]
    learning = images[images["split"].ne("test") | images["split"].isna()]
    if learning.empty:
        raise InputError(f"{path} has no labelled images to learn from", expected="images in class folders")
    learning = learning.assign(split_group=learning["split_group"].fillna(learning["image_id"]))
    if not {"train", "val"} <= set(learning["split"].dropna()):
        learning = comparison_arms.with_validation(learning.drop(columns="split"), seed)
        notes.append(
            f"There are no validation images: {comparison_arms.VALIDATION:.0%} were drawn from the training images."
        )
    return Material(learning[ARM_COLUMNS].reset_index(drop=True), to or folder, tuple(notes), known, embedded)


def draw(images: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """At most `most` images, of each class in proportion, but two of each at least; sorted by image_id."""
    if len(images) <= most:
        return images.sort_values("image_id", ignore_index=True)
    order = np.random.default_rng(seed).permutation(len(images))
    mixed = images.sort_values("image_id").iloc[order]
    place, size = mixed.groupby("label").cumcount(), mixed.groupby("label")["label"].transform("size")
    kept = mixed[place < np.maximum(2, np.round(size * most / len(images)))]
    return kept.sort_values("image_id", ignore_index=True)


def _of_run(state: State) -> pd.DataFrame:
    """Readable images with their decisions; the dataset's own split where it has one, else the audit's."""
    cleaned, _ = apply.apply(state.dataset, state.current)
    own = cleaned["split"].isin(("train", "val"))
    cleaned = cleaned[cleaned["read_error"].isna()]
    if not {"train", "val"} <= set(cleaned.loc[own, "split"]):
        cleaned = cleaned.drop(columns="split").merge(state.splits, on="image_id", how="left")
    grouped = cleaned.merge(state.clusters[["image_id", "split_group"]], on="image_id", how="left")
    return grouped.assign(path=[str(state.run.image_path(i)) for i in grouped["image_id"]])
