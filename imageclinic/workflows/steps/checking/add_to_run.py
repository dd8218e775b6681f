"""Accepted new images become part of a run: they are copied into it, and its next audit is of them, too.

The dataset's own folder stays as it is. Frozen test images stay frozen, so nothing becomes a test image; an image goes
where its group is, or is refused. The table of the added images is written last: a killed command has added nothing.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from imageclinic.audit.against.copies_of_run import Scanned
from imageclinic.audit.listing.folder_names import is_system
from imageclinic.core import tables
from imageclinic.core.atomic import replacing
from imageclinic.core.errors import CanNotWrite, InputError
from imageclinic.core.naming.wording import few, shown
from imageclinic.core.progress import Progress
from imageclinic.core.reading import added_table
from imageclinic.core.reading.hashing import file_sha256
from imageclinic.core.run import Run
from imageclinic.workflows.steps.checking.both_sides import RunSide


def check_possible(side: RunSide) -> None:
    """Raises InputError when images that were added earlier were not audited yet: they were not looked at now."""
    waiting = ~added_table.read(side.run)["image_id"].isin(side.state.dataset["image_id"])
    if waiting.any():
        raise InputError(
            f"{int(waiting.sum()):,} images that were added to {side.run.path} were not audited yet",
            expected="an audit after each --add: copies of these images would not be seen",
            fix=f"run {audit_command(side.run)}",
        )


def refusals(new: pd.DataFrame, side: RunSide, copies: pd.DataFrame) -> dict[str, str]:
    """Why images can't be added, whoever wants it.

    Args:
        new: the new dataset table.
        side: the run.
        copies: see `check_inputs.with_run`: image_id, run_split.

    Returns:
        image_id → the reason.
    """
    groups = side.state.dataset[["image_id", "group"]].merge(side.state.splits, on="image_id")
    where = groups.dropna(subset=["group"]).groupby("group")["split"].agg(lambda names: sorted(set(names)))
    reasons: dict[str, str] = {}
    columns = new.sort_values("image_id")[["image_id", "split", "group", "read_error"]].astype(object)
    for name, split, group, error in columns.where(columns.notna(), None).itertuples(index=False, name=None):
        others = [each for each in where.get(group, []) if each != (split or "train")]
        if error is not None:
            reasons[name] = f"can't be read ({error})"
        elif split == "test":
            reasons[name] = "came as a test image, and the run's test images are frozen"
        elif others:
            reasons[name] = f"its group {shown(group)} is in {others[0]}"
    leaks = copies[["image_id", "run_split"]].merge(new[["image_id", "split"]], on="image_id")
    leaks = leaks[leaks["run_split"].notna() & leaks["run_split"].ne(leaks["split"].fillna("train"))]
    for name, split in leaks[["image_id", "run_split"]].itertuples(index=False):
        reasons.setdefault(name, f"is a copy of an image in {split}")
    return reasons


def wanted(found: pd.DataFrame, named: Sequence[str] | None, reasons: dict[str, str]) -> tuple[list[str], list[str]]:
    """The images to add: the accepted or the named ones without those refused; and notes.

    Raises:
        InputError: a name that is no new image's.
    """
    asked = set(found.loc[found["accepted"], "image_id"]) if named is None else set(named)
    unknown = sorted(asked - set(found["image_id"]))
    if unknown:
        names = few([shown(name) for name in unknown])
        raise InputError(f"no new image is called {names}", expected="names that are in new_images.csv")
    refused = sorted(asked & reasons.keys())
    notes = []
    if refused:
        examples = few([f"{shown(name)} {reasons[name]}" for name in refused], separator="; ")
        notes.append(f"{len(refused):,} images were not added: {examples}")
    return sorted(asked - reasons.keys()), notes


def add(run: Run, name: str, ids: Sequence[str], new: Scanned, known: pd.Series, progress: Progress) -> str:
    """Copy images into the run, and write their table.

    Args:
        run: the run, whose lock is held.
        name: of the new images' dataset.
        ids: of the images, at least one.
        new: the scanned new images.
        known: ids of the run's images.
        progress: called with (images done, images in all).

    Returns:
        What their ids begin with, without the slash.

    Raises:
        InputError: too little room, or an image that has changed since it was checked.
    """
    rows = new.dataset.set_index("image_id").loc[list(ids)]
    free_name = _free_name(run, name, known)
    folder = run.added / free_name
    shutil.rmtree(folder, ignore_errors=True)  # what a killed command left: no table names it
    run.added.mkdir(exist_ok=True)
    free, needed = shutil.disk_usage(run.added).free, int(rows["bytes"].sum())
    if needed > free:
        has = f"the disk of {run.path} has {free / 1e9:.2f} GB free"
        raise CanNotWrite(f"the images need {needed / 1e9:.2f} GB, and {has}", fix="free some")
    for done, (image_id, sha256) in enumerate(rows["sha256"].items()):
        target = folder / tables.to_path(str(image_id))
        target.parent.mkdir(parents=True, exist_ok=True)
        source = new.path(str(image_id))
        with replacing(target) as temporary:
            try:
                shutil.copyfile(source, temporary)
            except FileNotFoundError as error:
                raise InputError(f"{source} is gone since it was checked", fix="check again") from error
        if file_sha256(target) != sha256:
            raise InputError(f"{source} has changed since it was checked", fix="check again")
        progress(done + 1, len(rows))
    prefixed = [f"{free_name}/{image_id}" for image_id in rows.index]
    columns = {column: rows[column].to_numpy() for column in ("label", "split", "group")}
    table = tables.frame(added_table.ADDED, image_id=prefixed, **columns)
    tables.write(added_table.file(run, free_name), table, added_table.ADDED)
    return free_name


def audit_command(run: Run) -> str:
    """The command that audits a run again, as far as its last audit's arguments say."""
    arguments = run.info().get("arguments", {})
    words = ["imageclinic", "audit", str(arguments.get("data", "DATA")), "--out", str(run.path)]
    for name, value in (arguments.get("columns") or {}).items():
        words += [f"--{name}-column", str(value)]
    for name, usual in (("layout", None), ("model", "auto"), ("layer", None), ("train", "heads")):
        if arguments.get(name, usual) != usual:
            words += [f"--{name}", str(arguments[name])]
    for name in ("checks", "skip"):
        if arguments.get(name):
            words += [f"--{name}", ",".join(arguments[name])]
    return shlex.join(words)


def _free_name(run: Run, name: str, known: pd.Series) -> str:
    """A name that no image of the run, and nothing in its dataset's folder, has."""
    taken = {image_id.partition("/")[0] for image_id in known} | run.files.names
    plain = tables.to_image_id(name) if name and not is_system(name) else "new"
    names = (plain if n == 1 else f"{plain}-{n}" for n in range(1, 1_000_000))
    return next(each for each in names if each not in taken and not Path(run.root / tables.to_path(each)).exists())
