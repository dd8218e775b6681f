"""Cleaned table → files on disk: written into a hidden folder beside OUT and renamed, so that OUT appears
whole or not at all. The source is only read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import filelock
import pandas as pd

from audit import tables
from audit.errors import InputError
from audit.run import Run
from cleaning import datasheet, names
from cleaning.diff import diff
from cleaning.split import split_groups
from cleaning.verify import Proof, verify

__all__ = ["FORMATS", "LINKS", "Proof", "diff", "export", "verify"]

FORMATS = ("folders", "manifest")
LINKS = ("copy", "hardlink", "symlink")
_CHUNK = 1 << 20


def export(
    cleaned: pd.DataFrame,
    splits: pd.DataFrame,
    clusters: pd.DataFrame,
    changes: pd.DataFrame,
    run: Run,
    out: Path,
    *,
    format: str = "folders",
    link: str = "copy",
    current: pd.DataFrame | None = None,
    options: Mapping[str, object] | None = None,
    notes: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write the cleaned dataset to `out`. The same input gives the same files, byte by byte.

    Args:
        cleaned: see `cleaning.apply.apply`.
        splits: tables.SPLIT_TABLE, a row for every cleaned image (see `cleaning.split.assign`).
        clusters: tables.CLUSTERS.
        changes: see `cleaning.apply.apply`.
        run: the audited run: where the images are, and the counts before.
        out: a new or empty folder, outside the dataset and the run.
        format: ``folders`` (OUT/split/class/file) or ``manifest`` (manifest.csv that points to the source).
        link: ``copy``; ``hardlink`` or ``symlink`` save space, but whoever edits such a file edits the
            source.
        current: what stands decided, for the manifest's column ``decision`` (see
            `cleaning.decisions.current`).
        options: further options of the command, for the instructions in DATASET.md.
        notes: sentences about the split, for DATASET.md.
        progress: called with (done, total) images.

    Returns:
        out, format, link, images, classes, splits (name → images), changes (kind → images), notes.

    Raises:
        InputError: for a wrong option; an `out` that is not empty or overlaps with the dataset or the run; an
            image that is missing, changed since the audit, or without split; a disk that is full or can't
            link; another export to `out` at the same time. `out` is as it was before.
    """
    _check_choice("format", format, FORMATS)
    _check_choice("link", link, LINKS)
    if cleaned.empty:
        raise InputError("no image is left to export", fix="take back decisions with imageclinic decide --undo")
    manifest = _manifest(cleaned, splits, clusters, changes, current)
    root = run.root
    sources = [root / tables.to_path(image_id) for image_id in manifest["image_id"]]
    target = _checked_target(out, run, sources)
    if format == "folders":
        manifest["path"] = _paths(manifest, cleaned)
    else:
        manifest["path"] = [_relative(source, target) for source in sources]
    with _writing(target) as partial:
        if format == "folders":
            _check_space(cleaned, link, partial)
            _make_folders(manifest, partial)
        for done, (source, path, sha256) in enumerate(
            zip(sources, manifest["path"], manifest["sha256"], strict=True), 1
        ):
            _put(source, partial / path if format == "folders" else None, sha256, link)
            if progress:
                progress(done, len(manifest))
        tables.write_csv(partial / tables.MANIFEST.file, manifest, tables.MANIFEST)
        flags = {**(options or {}), "format": format, "link": link}
        tables.write_text(
            partial / datasheet.FILE, datasheet.text(manifest, cleaned, changes, run, format, flags, notes)
        )
    return {
        "out": str(target),
        "format": format,
        "link": link,
        "images": len(manifest),
        "classes": int(manifest["label"].nunique()),
        "splits": {name: int((manifest["split"] == name).sum()) for name in tables.SPLITS},
        "changes": {str(k): int(n) for k, n in changes["change"].value_counts().sort_index().items()},
        "notes": list(notes),
    }


def _check_choice(option: str, value: str, valid: Sequence[str]) -> None:
    if value not in valid:
        raise InputError(f"unknown {option} {value!r}", expected=f"one of {', '.join(valid)}")


def _checked_target(out: Path, run: Run, sources: Sequence[Path]) -> Path:
    """`out` with links resolved. Raises InputError when nothing may be written there."""
    target = out.resolve()
    root = run.root.resolve()
    # Folders of images may be links to other places; those are the user's data as well.
    linked = {folder.resolve() for folder in {source.parent for source in sources}}
    above = {parent for folder in linked for parent in folder.parents if root in parent.parents}
    # A manifest often lies above much else; what it does not list is not the dataset.
    beside = {root} if run.info().get("manifest") else set()
    for what, folders in (("dataset", {root, *linked, *above}), ("run", {run.path.resolve()})):
        for folder in sorted(folders):
            inside = folder in target.parents and folder not in beside
            if target == folder or inside or target in folder.parents:
                raise InputError(
                    f"the export {out} and the {what} {folder} overlap",
                    expected=f"a folder outside the {what}",
                    fix="give another OUT; nothing was written",
                )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(
            f"the export {out} is there already", expected="a new or empty folder", fix="give another OUT, or delete it"
        )
    return target


def _manifest(
    cleaned: pd.DataFrame,
    splits: pd.DataFrame,
    clusters: pd.DataFrame,
    changes: pd.DataFrame,
    current: pd.DataFrame | None,
) -> pd.DataFrame:
    """The manifest, sorted by image_id, its column path still empty."""
    rows = cleaned.sort_values("image_id", ignore_index=True)
    at = rows["image_id"]
    split = at.map(splits.set_index("image_id")["split"])
    lost = at[split.isna() | rows["sha256"].isna()]
    if len(lost):
        raise InputError(
            f"{len(lost)} images, such as {lost.iloc[0]}, have no split or no content hash",
            expected="a row in splits for every image",
        )
    relabelled = changes[changes["change"] == "relabelled"].set_index("image_id")
    original = rows["label"].where(~at.isin(relabelled.index), at.map(relabelled["from_label"]))
    decision = pd.Series(None, index=rows.index, dtype="str").mask(at.isin(relabelled.index), "relabel")
    if current is not None:
        decided = at.map(current.set_index("image_id")["decision"]).astype("str")
        decision = decision.fillna(decided.where(decided.isin(["keep", "relabel"])))
    return tables.frame(
        tables.MANIFEST,
        image_id=at,
        path="",
        label=rows["label"],
        original_label=original,
        split=split,
        split_group=split_groups(at, clusters),
        sha256=rows["sha256"],
        decision=decision,
    )


def _paths(manifest: pd.DataFrame, cleaned: pd.DataFrame) -> pd.Series:
    """split/class/file for each image: safe names, unique within their class over all splits."""
    classes = sorted(manifest["label"].unique())
    folder = dict(zip(classes, names.unique([names.safe(c) for c in classes], classes), strict=True))
    format = manifest["image_id"].map(cleaned.set_index("image_id")["format"])
    file = [
        names.safe(names.with_suffix(PurePosixPath(image_id).name, None if pd.isna(kind) else kind))
        for image_id, kind in zip(manifest["image_id"], format, strict=True)
    ]
    named = pd.Series(file, index=manifest.index, dtype="str")
    distinct = [
        pd.Series(names.unique(named[rows.index].tolist(), rows["image_id"].tolist()), rows.index, dtype="str")
        for _, rows in manifest.groupby("label")
    ]
    return manifest["split"] + "/" + manifest["label"].map(folder) + "/" + pd.concat(distinct)


def _relative(source: Path, target: Path) -> str:
    """The way from the export to an image of the source, bytes that are not UTF-8 escaped."""
    return tables.to_image_id(Path(os.path.relpath(source.resolve(), target)).as_posix())


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[Path]:
    """A hidden folder beside `target`, renamed to it at the end, removed on any error. What a killed export
    left is removed first; the lock tells it from an export that still runs."""
    lock = filelock.FileLock(target.parent / f".{target.name}.export.lock")
    partial: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        for left in target.parent.glob(f".{_literal(target.name)}.partial-*"):
            shutil.rmtree(left)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
        partial.chmod(0o755)
        yield partial
        if target.is_dir():
            target.rmdir()
        partial.rename(target)
    except filelock.Timeout:
        raise InputError(f"another export to {target} is running", fix="wait for it, or give another OUT") from None
    except OSError as error:
        raise InputError(
            f"can't write {error.filename or target}: {error.strerror}",
            fix=f"mend that and export again; {target} was not made",
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
        if lock.is_locked:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()


def _literal(name: str) -> str:
    """A name as a glob pattern that matches only itself."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _check_space(cleaned: pd.DataFrame, link: str, partial: Path) -> None:
    needed, free = int(cleaned["bytes"].sum()), shutil.disk_usage(partial).free
    if link == "copy" and needed > free:
        raise InputError(
            f"{needed:,} bytes to copy, {free:,} are free in {partial.parent}",
            fix="free some, export to another disk, or use --link hardlink or symlink",
        )


def _make_folders(manifest: pd.DataFrame, partial: Path) -> None:
    """Every class in every split that has images, also where it is empty: Keras numbers classes by
    folders."""
    classes = {PurePosixPath(path).parts[1] for path in manifest["path"]}
    for split in manifest["split"].unique():
        for name in classes:
            (partial / split / name).mkdir(parents=True)


def _put(source: Path, place: Path | None, sha256: str, link: str) -> None:
    """Copy or link one file, proving that its content is what was audited."""
    digest = hashlib.sha256()
    try:
        with source.open("rb") as file, contextlib.ExitStack() as stack:
            copy = stack.enter_context(place.open("xb")) if place is not None and link == "copy" else None
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                if copy:
                    copy.write(chunk)
    except FileNotFoundError:
        raise InputError(f"the image {source} is gone since the audit", fix="audit again") from None
    if digest.hexdigest() != sha256:
        raise InputError(f"the image {source} changed since the audit", fix="audit again")
    if place is not None and link == "hardlink":
        try:
            place.hardlink_to(source.resolve())
        except OSError as error:
            raise InputError(f"can't hard-link {source}: {error.strerror}", fix="use --link copy or symlink") from error
    if place is not None and link == "symlink":
        place.symlink_to(source.resolve())
