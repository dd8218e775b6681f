"""Composes an export: decisions → cleaned table → split → files → proof."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imageclinic.core.errors import InputError
from imageclinic.core.progress import Say, Stage, quiet, silent
from imageclinic.workflows.steps import splits as splitting
from imageclinic.workflows.steps.export_copies import find_pairs
from imageclinic.workflows.steps.export_records import pack, unpack
from imageclinic.workflows.steps.run_state import load


def export(
    run: str | Path,
    out: str | Path,
    *,
    split: Sequence[float | None] = (0.8, 0.1, 0.1),
    format: str = "folders",
    link: str = "copy",
    keep_split: str | Path | None = None,
    balance: str = "none",
    reencode: str = "none",
    seed: int = 0,
    stage: Stage = quiet,
    say: Say = silent,
) -> dict[str, Any]:
    """Write the cleaned dataset to `out`, split so that copies stay together, and prove it.

    The images that the audit froze as test stay test; `split` divides the rest (and, where the audit found no test
    images, everything). `out` appears whole and proven, or not at all.

    Args:
        run: an audited run.
        out: a new or empty folder, outside the dataset and the run.
        split: shares of train, val and test, which sum to 1 (or 100); or so many images of each, and None in one place
            for the rest: what counts leave out is not exported.
        format, link: see `cleaning.export.write_export.export`.
        keep_split: the manifest.csv of an earlier export or its folder: puts the images that it lists where they were,
            and only divides the new ones.
        balance: ``weights`` (a file of class weights), ``oversample`` or ``undersample`` (a manifest that says how
            often to show each training image), or ``none``; validation and test are never changed.
        reencode: ``png`` or ``jpeg``, for the images that Keras's folder loader can't read and the damaged ones that
            were decided to be kept; or ``none``.
        seed: of the split and the balance.
        stage, say: progress.

    Returns:
        The export's summary, with ``proofs``: name, ok and detail of each.

    Raises:
        InputError: bad arguments, `out` inside the dataset or not empty, a class without training images, a
            `keep_split` of other images, a source file that changed since the audit.
        Failed: a proof does not hold.
    """
    from imageclinic.cleaning.decisions import apply
    from imageclinic.cleaning.export import write_export as exporter
    from imageclinic.cleaning.export.encode_images import CHOICES
    from imageclinic.cleaning.split.stratified_split import require_training
    from imageclinic.workflows.steps import reencode as reencoding

    demand = splitting.demanded(split)
    if reencode not in CHOICES:
        raise InputError(f"unknown reencode {reencode!r}", expected=f"one of {', '.join(CHOICES)}")
    state = load(run)
    with tempfile.TemporaryDirectory(prefix="imageclinic-encoded-") as scratch:
        new, reasons = None, reencoding.unloadable(state)
        if reencode != "none":
            with stage("Encoding anew") as progress:
                new = reencoding.reencoded(state, reasons, reencode, Path(scratch), progress)
            state = reencoding.mended(state, new)
        cleaned, changes = apply.apply(state.dataset, state.current)
        with stage("Looking for copies") as progress:
            clusters = splitting.regroup(state, cleaned, new=new, progress=progress)
        old = None if keep_split is None else splitting.earlier(Path(keep_split), cleaned)
        splits, notes = splitting.assign(dataclasses.replace(state, clusters=clusters), cleaned, demand, seed, old)
        cleaned = cleaned[cleaned["image_id"].isin(splits["image_id"])]
        require_training(cleaned, splits)
        unread = reasons[reasons.index.isin(cleaned["image_id"])]
        if len(unread) and new is None:
            first = f"{unread.index[0]}: {unread.iloc[0]}"
            notes.append(
                f"Keras's folder loader stops at, skips or misreads {len(unread):,} images ({first}) "
                "--reencode png mends that."
            )
        for note in notes:
            say(note)
        with stage("Exporting and proving") as progress:
            summary = exporter.export(
                cleaned,
                splits,
                clusters,
                changes,
                state.run,
                Path(out),
                format=format,
                link=link,
                current=state.current,
                balanced=balance,
                seed=seed,
                encoded=None if new is None else new.files,
                options={
                    "split": ",".join("rest" if part is None else f"{part:.12g}" for part in split),
                    **({} if keep_split is None else {"keep-split": keep_split}),
                    "reencode": reencode,
                },
                notes=notes,
                pack=pack,
                prove=lambda folder: exporter.verify(folder, find_pairs(progress), unpack=unpack, progress=progress),
                progress=progress,
            )
    return {**summary, "proofs": [dataclasses.asdict(proof) for proof in summary["proofs"]]}
