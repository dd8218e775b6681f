"""Cleaned table → files on disk: written into a hidden folder beside OUT, proven there, and only then renamed, so
that OUT appears whole and proven or not at all. The source is only read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from imageclinic.cleaning.export import balance, datasheet, export_facts, formats, output_folder
from imageclinic.cleaning.export.export_format import label_set_lines
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cleaning.export.losses.left_out import LeftOut
from imageclinic.cleaning.export.losses.value_range import ValueRange
from imageclinic.cleaning.export.proof.prove_export import verify
from imageclinic.cleaning.export.to_store import upload_export
from imageclinic.cleaning.split.stratified_split import split_groups
from imageclinic.core import tables
from imageclinic.core.errors import Failed, InputError
from imageclinic.core.naming import class_order, label_sets
from imageclinic.core.processes.temporary_folders import temporary_folder
from imageclinic.core.rows import lookup, ordering
from imageclinic.core.run import Run
from imageclinic.core.stores.store import connected

#: The columns of the cleaned table that are exported, or by which it is exported.
OF_IMAGES = ("image_id", "label", "sha256", "format", "bytes", "width", "height")


@dataclass(frozen=True)
class CleanedDataset:
    """What is exported.

    Attributes:
        images: `OF_IMAGES` of the cleaned table; see `cleaning.decisions.apply.apply`.
        splits: tables.SPLIT_TABLE, a row for every image (see `cleaning.split.stratified_split.assign`).
        clusters: tables.CLUSTERS.
        changes: see `cleaning.decisions.apply.apply`.
        current: the decisions in force, for the manifest's column ``decision`` (see
            `cleaning.decisions.decision_log.current`).
        encoded: image_id, file, why of images that were re-encoded (see `cleaning.export.encode_images.encode`):
            `images` has their new content, and the run's dataset table that of the source.
        notes: sentences about the split, for DATASET.md.
        left_out: see `cleaning.export.losses.left_out.of`.
        ranges: see `cleaning.export.losses.value_range.measure`.
    """

    images: pd.DataFrame
    splits: pd.DataFrame
    clusters: pd.DataFrame
    changes: pd.DataFrame
    current: pd.DataFrame | None = None
    encoded: pd.DataFrame | None = None
    notes: Sequence[str] = ()
    left_out: LeftOut | None = None
    ranges: Mapping[str, ValueRange] | None = None


def export(
    cleaned: CleanedDataset,
    run: Run,
    out: Path | str,
    options: ExportOptions,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write the cleaned dataset to `out`. The same input gives the same files, byte by byte.

    Args:
        cleaned: the images, their splits and what was done to them.
        run: the audited run: where the images are, and the counts before.
        out: a new or empty folder, outside the dataset and the run; or, as text, the address of an object store, where
            files appear one by one, manifest.csv last (see `to_store.upload_export`).
        options: how; split and keep_split are only written down, for `cleaned` is split already.
        progress: called with (done, total) images.

    Returns:
        out, format, link, images, classes, splits (name → images), changes (kind → images), notes, class_names (in the
        order of their numbers), left_out and value_range (see `export_facts.of`), proofs.

    Raises:
        InputError: an `out` that is not empty or overlaps with the dataset or the run; an image that is missing,
            changed since the audit, or without split; a disk that is full or can't link; another export to `out` at
            the same time. `out` is as it was before.
        Failed: what was written does not hold what it promises; `out` is as it was before.
    """
    if cleaned.images.empty:
        raise InputError("no image is left to export", fix="take back decisions with imageclinic decide --undo")
    format = formats.load(options.format)
    manifest = manifest_of(cleaned)
    sources: Sequence[Path] = run.files.of(manifest["image_id"])
    target: Path | None = None
    if isinstance(out, Path):
        target = output_folder.check(out, run, sources)
        shown = str(target)
    else:
        shown = upload_export.check(out, run, options)
    listing = listed(manifest, cleaned, run, options, target or Path())
    manifest, sources, about = listing.manifest, listing.sources, listing.about
    tell = progress or (lambda done, total: None)
    if target is None:
        with temporary_folder("imageclinic-tables-") as scratch:
            listing.write(scratch)
            upload = upload_export.Upload(format, manifest, sources, about, scratch)
            proofs = upload_export.write(connected(str(out)), run, upload, tell)
    else:
        with output_folder.writing(target) as partial:
            needed = format.bytes_to_write(int(cleaned.images["bytes"].sum()), options.link)
            output_folder.check_space(needed, partial)
            format.place(manifest, sources, partial, options.link, tell)
            listing.write(partial)
            proofs = verify(partial, progress)
            broken = [f"{proof.name}: {proof.detail}" for proof in proofs if not proof.ok]
            if broken:
                raise Failed(
                    f"what was written does not hold what it promises ({'; '.join(broken)}). {out} was not made. "
                    "Export again; if that fails too, tell us, with these words"
                )
    return {
        "out": shown,
        "format": options.format,
        "link": options.link,
        "images": len(manifest),
        "classes": len(about["classes"]),
        "splits": about["images"],
        "changes": about["changes"],
        "notes": list(cleaned.notes),
        "class_names": about["classes"],
        "left_out": about["left_out"],
        "value_range": about["value_range"],
        "proofs": proofs,
    }


@dataclass(frozen=True)
class Listing:
    """All of an export but its images: tables.MANIFEST, the file of each of its rows, the content of export.json, and
    path → content of the other texts."""

    manifest: pd.DataFrame
    sources: Sequence[Path]
    about: dict[str, Any]
    texts: dict[str, str]

    def write(self, folder: Path) -> None:
        """Write it into `folder`."""
        for path, content in self.texts.items():
            tables.write_text(folder / path, content)
        tables.write_csv(folder / tables.MANIFEST.file, self.manifest, tables.MANIFEST)
        tables.write_json(folder / export_facts.FILE, self.about)


def listed(manifest: pd.DataFrame, cleaned: CleanedDataset, run: Run, options: ExportOptions, target: Path) -> Listing:
    """What is written beside the images.

    Args:
        manifest: see `manifest_of`.
        cleaned, run, options: see `export`.
        target: the export's folder.
    """
    format = formats.load(options.format)
    sources: Sequence[Path] = run.files.of(manifest["image_id"])
    separator = run.info().get(label_sets.KEY)
    if separator is None:  # a label set has no number
        classes = class_order.in_order(manifest["label"].unique())
        if not class_order.are_numbers(classes):
            classes = format.unnumbered(manifest)
        number = pd.Series(lookup.places(manifest["label"], classes), dtype="Int64")
        manifest = manifest.assign(class_index=number)
    changes = cleaned.changes
    if cleaned.encoded is not None:
        manifest = manifest.assign(original_sha256=_original(manifest, cleaned.encoded, run))
        changes = _with_encoded(changes, manifest, cleaned.encoded)
        files = dict(zip(cleaned.encoded["image_id"], cleaned.encoded["file"], strict=True))
        sources = [files.get(image_id, source) for image_id, source in zip(manifest["image_id"], sources, strict=True)]
    image_format = lookup.values(manifest["image_id"], cleaned.images, "format")
    manifest = manifest.assign(path=format.paths(manifest, image_format, sources, target))
    about = export_facts.of(
        manifest, changes, run, format, options.flags(), cleaned.notes, cleaned.left_out, cleaned.ranges
    )
    weighed = balance.files(manifest, options.balance, about["classes"], options.seed)
    with_images = {name: n for name, n in about["images"].items() if n}
    size = _usual_size(cleaned.images)
    loading = (
        balance.loading_code(format, options.balance, with_images, size)
        if separator is None
        else label_set_lines(about["classes"], separator, size)
    )
    texts = {**format.indexes(manifest), **export_facts.class_file(manifest, format), **weighed}
    texts[datasheet.FILE] = datasheet.text(manifest, changes, run, about, loading)
    return Listing(manifest, sources, about, texts)


def _usual_size(images: pd.DataFrame) -> tuple[int, int]:
    """(height, width) in pixels to which the lines that load an export bring its images: the median."""
    sides = images[["height", "width"]].median()
    return (96, 96) if sides.isna().any() else (int(sides["height"]), int(sides["width"]))


def manifest_of(cleaned: CleanedDataset) -> pd.DataFrame:
    """The manifest, sorted by image_id; its column path is filled in later."""
    rows = cleaned.images[["image_id", "label", "sha256"]]
    rows = ordering.in_order(rows, {"image_id": "ascending"}).reset_index(drop=True)
    at = rows["image_id"]
    split = lookup.values(at, cleaned.splits, "split")
    lost = at[split.isna() | rows["sha256"].isna()]
    if len(lost):
        raise InputError(
            f"{len(lost)} images, such as {lost.iloc[0]}, have no split or no content hash",
            expected="a row in splits for every image",
        )
    relabelled = cleaned.changes[cleaned.changes["change"] == "relabelled"]
    changed = lookup.among(at, relabelled["image_id"])
    original = rows["label"].mask(changed, lookup.values(at, relabelled, "from_label"))
    decision = pd.Series(None, index=rows.index, dtype="str").mask(changed, "relabel")
    if cleaned.current is not None:
        decided = lookup.values(at, cleaned.current, "decision").astype("str")
        decision = decision.fillna(decided.where(decided.isin(["keep", "relabel"])))
    return tables.frame(
        tables.MANIFEST,
        image_id=at,
        path=at,  # until the format says where they go
        label=rows["label"],
        original_label=original,
        split=split,
        split_group=split_groups(at, cleaned.clusters),
        sha256=rows["sha256"],
        decision=decision,
    )


def _original(manifest: pd.DataFrame, encoded: pd.DataFrame, run: Run) -> pd.Series:
    """The hash of the source of each image that was re-encoded; null for the others."""
    at = manifest["image_id"]
    source = lookup.values(at, run.read(tables.DATASET, ["image_id", "sha256"]), "sha256")
    return source.where(lookup.among(at, encoded["image_id"])).astype("str")


def _with_encoded(changes: pd.DataFrame, manifest: pd.DataFrame, encoded: pd.DataFrame) -> pd.DataFrame:
    """The changes, and a row for each exported image that was re-encoded."""
    rows = encoded.loc[lookup.among(encoded["image_id"], manifest["image_id"]), ["image_id", "why"]]
    label = lookup.values(rows["image_id"], manifest, "label")
    rows = rows.assign(change="encoded", from_label=label, to_label=label, reviewer=None)
    return pd.concat([changes, rows[changes.columns].astype("str")], ignore_index=True)
