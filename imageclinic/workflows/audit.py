"""Composes an audit: listing → scan → embeddings → copies → frozen splits → predictions → checks."""

from __future__ import annotations

import contextlib
import platform
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from imageclinic import __version__
from imageclinic.audit import runner
from imageclinic.audit.labels import user_arrays
from imageclinic.audit.listing import image_listing
from imageclinic.audit.scan import scan
from imageclinic.audit.scan.scan_options import MAX_PIXELS, TIMEOUT, ScanOptions
from imageclinic.audit.verdict import noise_words
from imageclinic.cleaning.review.dataset import kept_rows
from imageclinic.core import engines, tables
from imageclinic.core.engines.engine import Engine
from imageclinic.core.engines.piece_map import pieces_on
from imageclinic.core.errors import InputError, NotApplicable
from imageclinic.core.ids import require_unicode
from imageclinic.core.naming import label_sets
from imageclinic.core.option_fields import SEED
from imageclinic.core.processes import blas_threads
from imageclinic.core.processes.optional_packages import version
from imageclinic.core.progress import Say, Stage, quiet, silent
from imageclinic.core.rows import shared_ids
from imageclinic.core.run import Run, create
from imageclinic.workflows.steps import label_set_predictions
from imageclinic.workflows.steps.auditing import (
    added_images,
    annotator_consensus,
    audit_source,
    audit_verdict,
    copies_and_splits,
    earlier_results,
    predictions,
)
from imageclinic.workflows.steps.auditing import embeddings as embedding_step
from imageclinic.workflows.steps.auditing.audit_results import Audit
from imageclinic.workflows.steps.auditing.packed_data import InMemory
from imageclinic.workflows.steps.auditing.prediction_method import Brought, Method
from imageclinic.workflows.steps.result_keys import key

_PACKAGES = ("tensorflow", "keras", "cleanlab", "fiftyone", "imagehash", "pandas", "scikit-learn", "numpy", "pillow")


@dataclass(frozen=True)
class _Plan:
    """What was asked for: checks to run, names of those left out, options of checks, how labels are predicted, what the
    user brought, how files are read, where."""

    chosen: Mapping[str, runner.Check]
    skipped: Sequence[str]
    settings: Mapping[str, Mapping[str, Any]]
    method: Method
    brought: Brought
    scanning: ScanOptions
    engine: Engine
    seed: int
    label_separator: str | None


def audit(
    data: str | Path | pd.DataFrame | InMemory,
    out: str | Path | None = None,
    *,
    root: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    layout: str | None = None,
    checks: Sequence[str] = (),
    skip: Sequence[str] = (),
    options: Sequence[str] = (),
    model: str = "auto",
    layer: str | None = None,
    embeddings: user_arrays.Source | None = None,
    pred_probs: user_arrays.Source | None = None,
    train: str = "heads",
    workers: int | None = None,
    timeout: float = TIMEOUT,
    max_pixels: int = MAX_PIXELS,
    rehash: bool = False,
    label_separator: str | None = None,
    engine: str = "local",
    address: str | None = None,
    seed: int = 0,
    stage: Stage = quiet,
    say: Say = silent,
) -> Audit:
    """Audit a dataset. Nothing but the run folder is written; an interrupted audit goes on where it was.

    Args:
        data: a folder, a .csv/.parquet manifest, or a frame with the columns path and label; packed images (tar, zip,
            Parquet with image bytes, an address such as s3://bucket/pets, arrays (x, y), a Hugging Face or tf.data
            Dataset), see docs/inputs.md.
        out: the run folder; default ``imageclinic-runs/<dataset>``, and ``<folder>-<manifest>`` for a second manifest.
        root: for frames: the folder that the paths are relative to.
        columns: for manifests and frames: our column name (path, label, split, group, annotator) → theirs; and
            ``annotators``: columns with the labels of one annotator each, separated by commas.
        layout: for folders: what each of their levels is, split, class or any, such as ``split/class``; default: as the
            names and the shape of the tree say, where they leave no doubt.
        checks, skip: names of checks to run, or to leave out.
        options: check options as ``CHECK.OPTION=VALUE``.
        model: what embeds the images, see `training.embed.embed_images`.
        layer: for a .keras file, the layer whose output is the vector.
        embeddings: a file or frame of embeddings to use instead, see `audit.labels.user_arrays`.
        pred_probs: a file or frame of out-of-fold probabilities to use instead of ours, see `audit.labels.user_arrays`.
        train: what predicts labels out of fold: linear ``heads`` on the embeddings, or ``full`` networks.
        workers: processes that scan; default: the cores at hand.
        timeout: seconds that a file may take before it is reported as hanging its decoder.
        max_pixels: larger pictures are reported as too large and not decoded.
        rehash: read every file again, instead of trusting its size and time, and rescan those whose bytes changed.
        label_separator: for manifests and frames whose images may have several classes (multi-label): what separates
            them in the column of labels, such as ``|``; None: each image has one class.
        engine: where the large stages run: ``local``, this machine; or ``ray``, see docs/scale.md.
        address: of a Ray cluster, ``HOST:PORT`` or ``auto``; default: Ray is started on this machine.
        seed: of everything that is drawn at random.
        stage, say: progress and notes.

    Raises:
        InputError: bad input; the message says what to do.
    """
    scanning = ScanOptions(workers, timeout, max_pixels, rehash)
    where = engines.opened(engine, address, workers)
    SEED.check("seed", seed)
    method = Method(model, layer, embeddings, pred_probs, train)
    chosen, skipped = runner.select(checks, skip)
    settings = runner.parse_options(options)
    if label_separator is not None:
        label_sets.check_separator(label_separator)
        label_set_predictions.check_method(method)
    listing = audit_source.listed(data, out, root, columns, layout, rehash, stage, say, label_separator)
    require_unicode(listing.root, "the dataset")
    path = audit_source.run_folder(out, listing)
    listed_by = audit_source.source(data, listing)
    audit_source.check_outside(path, listing, by_folder=listed_by == "folder")
    own, listing = listing, added_images.with_added(listing, path)
    brought = method.read(listing.images)
    lines = [listing.summary(), *listing.left_out()]
    run = create(path)
    with run.lock(), where as opened, blas_threads.for_rows(len(listing.images)):
        plan = _Plan(chosen, skipped, settings, method, brought, scanning, opened, seed, label_separator)
        listing.notes[:0] = audit_source.continues(run, own, listed_by, chosen=out is not None)
        for line in lines:
            say(line)
        run.update_info(
            {
                "format": 1,
                "root": str(listing.root),
                "manifest": listed_by != "folder" and listing.packed is None,
                "packed": listing.name if listing.packed is not None else None,
                "source": listed_by,
                label_sets.KEY: label_separator,
                "listing": {**listing.facts(), "in_words": lines},
                "versions": {
                    "imageclinic": __version__,
                    "python": platform.python_version(),
                    **{p: version(p) for p in _PACKAGES},
                },
                "arguments": {
                    "data": str(data) if isinstance(data, str | Path) and "://" not in listed_by else listed_by,
                    "columns": dict(columns or {}),
                    "layout": layout,
                    "checks": list(checks),
                    "skip": list(skip),
                    "options": list(options),
                    **method.arguments,
                },
                "seed": seed,
                "ignored": listing.ignored,
            }
        )
        handed = [listing]
        del own, listing
        return _audit(run, handed, plan, stage, say)


def _audit(run: Run, handed: list[image_listing.Listing], plan: _Plan, stage: Stage, say: Say) -> Audit:
    # The listing is taken out, so that nobody holds it once its images are scanned.
    listing, method, brought, seed = handed.pop(), plan.method, plan.brought, plan.seed
    seconds: dict[str, float] = {}
    notes = list(listing.notes)

    @contextlib.contextmanager
    def timed(name: str, description: str) -> Any:
        start = time.perf_counter()
        with stage(description) as progress:
            yield progress
        seconds[name] = round(time.perf_counter() - start, 3)

    before = run.read(tables.DATASET, scan.COMPARED) if run.has(tables.DATASET) else None
    with timed("scan", "Scanning images") as progress:
        how = {**vars(plan.scanning), "engine": plan.engine, "progress": progress, "notes": notes}
        scan.write_tables(run, listing.images, listing.root, **how)
        dataset, frames = run.read(tables.DATASET), run.read(tables.FEATURES, ["frames"])["frames"]
    if before is not None:
        notes += filter(None, [scan.changes(before, dataset), audit_source.label_changes(before, dataset)])
    notes += filter(None, audit_source.about_classes(dataset, run, plan.label_separator))
    if several := int((frames > 1).sum()):
        notes.append(f"{several:,} files hold several pages or frames; the first one is judged")
    if dataset["read_error"].eq("file is missing").all():
        raise InputError(
            f"none of the {len(dataset):,} images is there, such as {run.image_path(dataset['image_id'][0])}",
            expected="paths relative to the manifest's folder",
        )
    annotator_consensus.record(run, listing.annotations)
    annotated, remarks = listing.annotations is not None, listing.notes
    del before, listing, frames
    asked = (sorted(plan.chosen), plan.settings, annotator_consensus.current_key(run), plan.label_separator)
    current = earlier_results.key_of(dataset, method, brought, seed, _PACKAGES, asked)
    if current is not None and (earlier := earlier_results.found(run, current)) is not None:
        say("nothing has changed since the last audit: these are its results")
        for note in dict.fromkeys([*remarks, *audit_source.lasting(run.info()["notes"])]):
            say(note)
        return earlier
    annotator_consensus.forget(run)
    inputs: dict[str, Any] = {}
    missing, broken = dict[str, str](), dict[str, str]()
    wanted = {i for check in plan.chosen.values() for i in check.inputs}

    def attempt(name: str, make: Callable[[], Any], *, chosen: bool) -> None:
        """Make an input; what can't be made is a reason, and an error only where the user chose how."""
        try:
            inputs[name] = make()
        except NotApplicable as reason:
            missing[name] = str(reason)
        except InputError as error:
            if chosen:
                raise
            missing[name] = str(error)
        except Exception:  # what needs this input has the outcome failed, with the traceback; the rest still runs
            broken[name] = traceback.format_exc()

    predicted = "predictions" in wanted or ("consensus" in wanted and annotated)
    if "embeddings" in wanted or (predicted and method.needs_embeddings):
        with timed("embed", "Embedding images") as progress:
            attempt(
                "embeddings",
                lambda: embedding_step.embed(run, dataset, method, brought, seed, plan.engine, say, progress),
                chosen=method.model != "auto" or brought.embeddings is not None,
            )
    del dataset  # what follows reads the columns that it needs: of ten million images all are 2 GB
    with timed("copies", "Looking for copies") as progress:
        neighbors, clusters = copies_and_splits.copies(run, inputs.get("embeddings"), plan.engine, notes, progress)
    copies_and_splits.freeze_splits(run, clusters, seed, notes, plan.label_separator)
    inputs |= {"neighbors": neighbors, "clusters": clusters}
    if predicted and "embeddings" not in inputs and method.needs_embeddings:
        reasons = missing if "embeddings" in missing else broken
        reasons["predictions"] = reasons["embeddings"]
    elif predicted:
        with timed("predict", "Cross-validating") as progress:
            attempt(
                "predictions",
                lambda: label_set_predictions.either(
                    run, inputs, method, brought, plan.label_separator, seed, plan.engine, progress
                ),
                chosen=not method.needs_embeddings,
            )
    described = predictions.describe(run) if "predictions" in inputs and plan.label_separator is None else None
    notes += described["notes"] if described else []
    dataset = inputs["dataset"] = run.read(tables.DATASET)
    if "consensus" in wanted:
        found = inputs.get("predictions")
        attempt("consensus", lambda: annotator_consensus.judge(run, dataset, found, notes), chosen=False)
        attempt("annotations", lambda: annotator_consensus.said(run), chosen=False)
    inputs["features"] = run.read(tables.FEATURES, [n for n in tables.FEATURES.names if n not in runner.OF_COPIES])
    inputs.update(shared_ids.shared(inputs))
    separator = plan.label_separator
    with timed("checks", "Checking") as progress, pieces_on(plan.engine, run.embedding_parts / "checks") as pieces:
        asked_for = (plan.chosen, plan.skipped, inputs, missing, broken, plan.settings)
        issues, outcomes = runner.run(*asked_for, label_separator=separator, piece_map=pieces, progress=progress)
        judged = audit_verdict.judge(inputs, run.read(tables.SPLIT_TABLE), issues, outcomes, separator)
    notes += plan.engine.notes()
    run.write(tables.ISSUES, issues)
    run.update_info(
        {
            "fingerprint": key(dataset),
            "key": current,
            "seconds": seconds,
            "notes": notes,
            "predictions": described,
            "outcomes": outcomes,
            **judged,
        }
    )
    inputs.clear()  # their memory goes
    kept_rows.keep(run)
    for note in notes:
        say(note)
    if words := noise_words.beside(judged["label_noise"], run.headlines):
        say(words)
    return Audit(run, issues, pd.DataFrame(outcomes), tuple(notes))
