"""Composes an export: decisions → cleaned table → split → files → proof."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.core import tables
from imageclinic.core.processes.temporary_folders import temporary_folder
from imageclinic.core.progress import Say, Stage, quiet, silent
from imageclinic.core.rows import lookup
from imageclinic.core.run import open_run
from imageclinic.core.stores.addresses import address_of
from imageclinic.workflows.steps import splits as splitting
from imageclinic.workflows.steps.run_state import load

if TYPE_CHECKING:
    from imageclinic.cleaning.export.write_export import CleanedDataset

#: The columns of the dataset by which it is exported.
OF_DATASET = (
    *("image_id", "label", "split", "group", "sha256", "read_error"),
    *("format", "mode", "bytes", "width", "height"),
)


def export(
    run: str | Path,
    out: str | Path,
    *,
    split: Sequence[float | None] = ExportOptions.split,
    format: str = ExportOptions.format,
    link: str = ExportOptions.link,
    keep_split: str | Path | None = ExportOptions.keep_split,
    balance: str = ExportOptions.balance,
    reencode: str = ExportOptions.reencode,
    near_copies: str = ExportOptions.near_copies,
    allow_incomplete: bool = ExportOptions.allow_incomplete,
    seed: int = ExportOptions.seed,
    allow_lost_classes: bool = ExportOptions.allow_lost_classes,
    stage: Stage = quiet,
    say: Say = silent,
) -> dict[str, Any]:
    """Write the cleaned dataset to `out`, split so that copies stay together, and prove it.

    The images that the audit froze as test stay test; `split` divides the rest (and, where the audit found no test
    images, everything). A folder appears whole and proven, or not at all; in an object store manifest.csv comes last.

    Args:
        run: an audited run.
        out: a new or empty folder, outside the dataset and the run; or the address of an object store, such as
            ``s3://bucket/pets-clean``, at which nothing is yet or the same export was begun.
        split, format, link, keep_split, balance, reencode, near_copies, allow_incomplete, seed, allow_lost_classes: see
            `cleaning.export.export_options.ExportOptions`.
        stage, say: progress.

    Returns:
        The export's summary, with ``proofs``: name, ok and detail of each.

    Raises:
        InputError: bad arguments, `out` inside the dataset or not empty, a class without training images or of which
            nothing is left, an empty val or test or a class that is missing there (unless `allow_incomplete`), a
            `keep_split` of other images, a source file that changed since the audit, images of more than 8 bits that
            would lose most of their grey levels.
        Failed: a proof does not hold.
    """
    options = ExportOptions(
        split, format, link, keep_split, balance, reencode, near_copies, allow_incomplete, seed, allow_lost_classes
    )
    return _export(Path(run), address_of(out) or Path(out), options, stage, say)


def _export(run: Path, out: Path | str, options: ExportOptions, stage: Stage, say: Say) -> dict[str, Any]:
    from imageclinic.cleaning.export import write_export
    from imageclinic.cleaning.export.to_store import upload_export
    from imageclinic.core.naming import label_sets

    opened = open_run(run)
    if opened.info().get(label_sets.KEY) is not None:
        options.check_label_sets()
    if isinstance(out, str):
        upload_export.look(out, opened, options)
    with temporary_folder("imageclinic-encoded-") as scratch:
        content = cleaned_dataset(run, options, scratch, stage, say)
        with stage("Exporting and proving") as progress:
            summary = write_export.export(content, opened, out, options, progress)
    return {**summary, "proofs": [dataclasses.asdict(proof) for proof in summary["proofs"]]}


def cleaned_dataset(run: Path, options: ExportOptions, scratch: Path, stage: Stage, say: Say) -> CleanedDataset:
    """What an export writes: the images by the decisions, and their splits. The run's own tables go with the return.

    Args:
        run: an audited run.
        options: how.
        scratch: where images that are re-encoded are put.
        stage, say: progress.

    Raises:
        InputError: as `export`.
    """
    from imageclinic.audit.copies import find_copies
    from imageclinic.cleaning.decisions import apply
    from imageclinic.cleaning.export import write_export
    from imageclinic.cleaning.export.losses import left_out
    from imageclinic.cleaning.split.demanded_split import demanded
    from imageclinic.cleaning.split.stratified_split import require_complete, require_training
    from imageclinic.core.naming import label_sets
    from imageclinic.workflows.steps import reencode as reencoding

    # Re-encoding looks at all there is of an image; findings are not exported.
    state = load(run, OF_DATASET if options.reencode == "none" else None, ["image_id"])
    separator = state.run.info().get(label_sets.KEY)
    new, reasons = None, reencoding.unloadable(state)
    if options.reencode != "none":
        with stage("Re-encoding images") as progress:
            new = reencoding.reencoded(state, reasons, options.reencode, scratch, progress)
    if new is not None:
        state = reencoding.mended(state, new)
    used = [*write_export.OF_IMAGES, "read_error"]
    cleaned, changes = apply.apply(state.dataset[used], state.current)
    gone = left_out.of(state.dataset, cleaned, changes, separator)
    for note in gone.notes():
        say(note)
    if not options.allow_lost_classes and (refusal := gone.refusal()):
        raise refusal
    wanted = [*find_copies.COLUMNS[tables.DATASET], "split"]
    state = dataclasses.replace(state, dataset=state.dataset[wanted])
    with stage("Looking for copies") as progress:
        clusters, remarks = splitting.regroup(
            state, cleaned, near=options.near_copies == "together", new=new, progress=progress
        )
    old = None if options.keep_split is None else splitting.earlier(Path(options.keep_split), cleaned)
    # From here on the cleaned table counts; what else was read goes, for it is as large.
    state = dataclasses.replace(
        state, clusters=clusters, dataset=state.dataset[["image_id", "split"]], issues=tables.empty(tables.ISSUES)
    )
    cleaned = cleaned[list(write_export.OF_IMAGES)]
    splits, notes = splitting.assign(state, cleaned, demanded(options.split), options.seed, old)
    state = dataclasses.replace(state, dataset=state.dataset.head(0), splits=state.splits.head(0))
    placed = lookup.among(cleaned["image_id"], splits["image_id"])
    cleaned = cleaned if placed.all() else cleaned[placed]
    notes = remarks + notes
    require_training(cleaned, splits, separator)
    if not options.allow_incomplete:
        require_complete(cleaned, splits, clusters, demanded(options.split), separator)
    unread = reasons[lookup.among(reasons.index, cleaned["image_id"])]
    if len(unread) and options.reencode == "none":
        first = f"{unread.index[0]}: {unread.iloc[0]}"
        notes.append(
            f"Keras's folder loader stops at, skips or misreads {len(unread):,} images ({first}) "
            "--reencode png fixes that."
        )
    ranges = {} if new is None else new.ranges
    for note in (*notes, *(values.sentence(kind) for kind, values in ranges.items())):
        say(note)
    encoded = None if new is None else new.files
    return write_export.CleanedDataset(cleaned, splits, clusters, changes, state.current, encoded, notes, gone, ranges)
