"""Composes a check of new images against an audited run: listing → scan → copies → embeddings → labels → drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from imageclinic import __version__
from imageclinic.audit import runner
from imageclinic.audit.against import run_checks
from imageclinic.audit.listing.listing import Listing
from imageclinic.audit.scan.scan_options import MAX_PIXELS, TIMEOUT, ScanOptions
from imageclinic.core.errors import InputError
from imageclinic.core.ids import require_unicode
from imageclinic.core.naming import label_sets
from imageclinic.core.progress import Say, Stage, quiet, silent
from imageclinic.workflows.steps.auditing.packed_data import InMemory
from imageclinic.workflows.steps.checking import add_to_run, both_sides, check_inputs, check_results


@dataclass(frozen=True)
class Check:
    """The results of a check: its folder; a row per new image, the worst first; the findings; one outcome per check;
    lines on what matters, the worst first; the tests of drift; notes; and, of images that were added, their ids in the
    run. It stands for the path of its folder. A notebook draws it."""

    path: Path
    images: pd.DataFrame
    issues: pd.DataFrame
    outcomes: pd.DataFrame
    verdict: list[dict[str, Any]]
    drift: dict[str, Any]
    notes: Sequence[str] = ()
    added: Sequence[str] = ()

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"<Check {self.path.name}: {len(self.issues):,} findings in {len(self.images):,} new images>"

    def _repr_html_(self) -> str:
        from imageclinic.report import notebook

        title = f"Check of {len(self.images):,} new images"
        return notebook.summary(title, self.verdict, self.outcomes, self.notes)


@dataclass(frozen=True)
class _Plan:
    """What a check was asked to do: checks to run, names of those left out, how files are read, what embeds, and what
    to add to the run."""

    chosen: Mapping[str, runner.Check]
    skipped: Sequence[str]
    scanning: ScanOptions
    model: str | None
    add: bool | Sequence[str]


def check(
    new: str | Path | pd.DataFrame | InMemory,
    against: str | Path | None = None,
    *,
    out: str | Path | None = None,
    root: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    layout: str | None = None,
    checks: Sequence[str] = (),
    skip: Sequence[str] = (),
    model: str | None = None,
    workers: int | None = None,
    timeout: float = TIMEOUT,
    max_pixels: int = MAX_PIXELS,
    add: bool | Sequence[str] = False,
    stage: Stage = quiet,
    say: Say = silent,
) -> Check:
    """Check new images against an audited run, without auditing all again. Images are only read; to add some is to copy
    them into the run.

    Args:
        new: what `audit` takes, or a folder of unlabelled images. Packed images are unpacked for as long as it takes.
        against: the run folder; has to be named.
        out: a new folder for the results; default: one in the run's folder ``checks``.
        root: for frames: the folder that the paths are relative to.
        columns: for manifests and frames: our column name (path, label, split, group) → theirs.
        layout: for folders: what each of their levels is, such as ``split/class``.
        checks, skip: names of checks to run, or to leave out.
        model: for a run that a model of yours embedded: name it again, as for `audit`.
        workers, timeout, max_pixels: see `audit`.
        add: put the accepted images, or those of these names, into the run: its next audit is of them, too. What can't
            be read, would be a test image, or is a copy or of the group of an image in another split is refused.
        stage, say: progress and notes.

    Raises:
        InputError: bad input; the message says what to do.
    """
    scanning = ScanOptions(workers, timeout, max_pixels)
    if against is None:
        raise InputError("no --against", expected="the run folder of the dataset that the new images are meant for")
    chosen, skipped = run_checks.select(checks, skip)
    side = both_sides.read_run(against)
    label_sets.refuse(side.run.info(), "check")
    if add is not False:
        add_to_run.check_possible(side)
        if chosen.keys().isdisjoint(("split_leakage", "copy_of_run", "conflicting_label")):
            raise InputError("--add without the checks for copies", expected="split_leakage at least")
    with both_sides.listed(new, root, columns, layout, stage, say) as listing:
        return _check(listing, side, _Plan(chosen, skipped, scanning, model, add), out, stage, say)


def _check(
    listing: Listing, side: both_sides.RunSide, plan: _Plan, out: str | Path | None, stage: Stage, say: Say
) -> Check:
    chosen, skipped = plan.chosen, plan.skipped
    require_unicode(listing.root, "the new images")
    path = check_results.folder(out, side.run, listing)
    notes = list(listing.notes)
    for line in (listing.summary(), *listing.left_out()):
        say(line)
    with stage("Scanning new images") as progress:
        fresh = both_sides.scanned(listing, plan.scanning, notes, progress)
    if fresh.dataset["read_error"].eq("file is missing").all():
        raise InputError(f"none of the {len(fresh.dataset):,} new images is there", expected="paths that lead to files")
    made = check_inputs.Inputs({"dataset": fresh.dataset}, {i for c in chosen.values() for i in c.inputs})
    drift = check_inputs.make_all(made, side, fresh, plan.model, notes, stage)
    with stage("Checking") as progress:
        issues, outcomes = runner.run(chosen, skipped, made.known, made.missing, made.broken, progress=progress)
    for outcome in outcomes:
        if outcome["check"] == "property_drift" and outcome["outcome"] == "clean":
            outcome["reason"] = drift["unseen"]  # how small a shift it can't see
    found = check_results.images(
        fresh.dataset,
        issues,
        made.known.get("run_copies"),
        made.known.get("new_clusters"),
        made.known.get("predicted_labels"),
        drift.pop("scores"),
    )
    added: list[str] = []
    if plan.add is not False:
        copies = made.known.get("run_copies")
        if copies is None:
            raise InputError("--add without a search of copies: it failed", fix="see the outcomes without --add")
        reasons = add_to_run.refusals(fresh.dataset, side, copies)
        ids, refused = add_to_run.wanted(found, None if isinstance(plan.add, bool) else plan.add, reasons)
        notes += refused
        if ids:
            with side.run.lock(), stage("Copying into the run") as progress:
                add_to_run.check_possible(side)
                name = add_to_run.add(side.run, listing.name, ids, fresh, side.state.dataset["image_id"], progress)
            added = [f"{name}/{image_id}" for image_id in ids]
            notes.append(f"{len(ids):,} images were added to the run, as {name}/…: its next audit is of them, too")
    accepted = int(found["accepted"].sum())
    commands = check_results.commands(path, listing)
    if added:
        commands[""] = add_to_run.audit_command(side.run)
    verdict = run_checks.verdict(issues, len(found), accepted, commands)
    summary = {
        "format": 1,
        "version": __version__,
        "new": listing.packed or str(listing.manifest or listing.root),
        "against": str(side.run.path),
        "images": len(found),
        "accepted": accepted,
        "added": added,
        "verdict": verdict,
        "outcomes": outcomes,
        "drift": drift,
        "notes": notes,
    }
    check_results.write(path, found, summary)
    for note in notes:
        say(note)
    return Check(path, found, issues, pd.DataFrame(outcomes), verdict, drift, tuple(notes), tuple(added))
