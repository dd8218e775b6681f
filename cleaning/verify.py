"""Proves an export by reading it back: nothing is taken from the manifest on trust."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from audit import tables
from audit.errors import InputError

#: Files of an export that are no images, and files that systems leave in folders.
_OWN = frozenset({tables.MANIFEST.file, "DATASET.md"})
_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_SHOWN = 5


@dataclass(frozen=True)
class Proof:
    """One promise: what was proven, whether it holds, and the numbers or the first offenders."""

    name: str
    ok: bool
    detail: str


def verify(
    out: Path,
    find_pairs: Callable[[Path], pd.DataFrame],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Proof]:
    """Read an export back and prove what it promises.

    Args:
        out: an export.
        find_pairs: scans the files of `out` anew and returns pairs of copies: image_id, other_id (the
            manifest's ``path``), kind.
        progress: called with (done, total) files read.

    Returns:
        One proof each: files (all there, in the folder of their split and class), hashes, nothing else in the
        folder, no image twice, every class in train (other gaps are told), no split group and no pair of
        copies in two splits. Without a readable manifest, only that.
    """
    try:
        manifest = tables.read_csv(out / tables.MANIFEST.file, tables.MANIFEST)
    except InputError as error:
        return [Proof("manifest", False, str(error))]
    files = [out / tables.to_path(path) for path in manifest["path"]]
    inside = [path for path in manifest["path"] if not path.startswith("../")]
    found = {
        tables.to_image_id(file.relative_to(out).as_posix())
        for file in out.rglob("*")
        if not file.is_dir() and file.name not in _LITTER
    } - _OWN
    hashes = []
    for done, file in enumerate(files, 1):
        hashes.append(_sha256(file))
        if progress:
            progress(done, len(files))
    actual = pd.Series(hashes, index=manifest.index, dtype="str")
    wrong = actual.notna() & actual.ne(manifest["sha256"])
    across = manifest.groupby("split_group")["split"].nunique()
    return [
        _proof("files", manifest.loc[actual.isna(), "path"], f"{len(manifest)} files are there", "missing"),
        _proof("hashes", manifest.loc[wrong, "path"], f"{actual.notna().sum()} files are as written", "changed"),
        _proof("nothing else", sorted(found - set(inside)), "no other files", "not in the manifest"),
        _proof(
            "one row per file", manifest.loc[manifest["path"].duplicated(), "path"], "every path once", "listed twice"
        ),
        _folders(manifest),
        _classes(manifest),
        _proof("groups", across.index[across > 1].tolist(), f"{len(across)} groups, each in one split", "divided"),
        _pairs(manifest, find_pairs(out)),
    ]


def _proof(name: str, offenders: Collection[str] | pd.Series, good: str, bad: str) -> Proof:
    if not len(offenders):
        return Proof(name, True, good)
    return Proof(name, False, f"{len(offenders)} {bad}: {_some(list(offenders))}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _sha256(file: Path) -> str | None:
    try:
        with file.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return None


def _folders(manifest: pd.DataFrame) -> Proof:
    """In an export to folders, the folders say what the manifest says, and nothing lies outside of them."""
    outside = manifest["path"].str.startswith("../")
    if outside.all():
        return Proof("folders", True, "none: the manifest points to the source")
    rows = manifest[~outside]
    parts = [PurePosixPath(path).parts for path in rows["path"]]
    odd = [
        path
        for path, where, split in zip(rows["path"], parts, rows["split"], strict=True)
        if len(where) != 3 or where[0] != split
    ] + manifest.loc[outside, "path"].tolist()
    folder = pd.Series([where[1] if len(where) == 3 else "" for where in parts], index=rows.index, dtype="str")
    for one, other in ((folder, rows["label"]), (rows["label"], folder)):
        names = other.groupby(one).nunique()
        odd += [f"{name} stands for {n} classes" for name, n in names.items() if n > 1]
    return _proof("folders", odd, "folders are the splits and classes of the manifest", "do not fit the manifest")


def _classes(manifest: pd.DataFrame) -> Proof:
    """Every class is in train; where it lacks elsewhere is told."""
    there = [split for split in tables.SPLITS if (manifest["split"] == split).any()]
    counts = pd.crosstab(manifest["label"], manifest["split"]).reindex(columns=list(tables.SPLITS), fill_value=0)
    gaps = [f"{label} not in {split}" for split in there for label in counts.index[counts[split] == 0].astype(str)]
    untrained = bool((counts["train"] == 0).any())
    return Proof("classes", not untrained, _some(gaps) if gaps else f"{len(counts)} classes, all in {', '.join(there)}")


def _pairs(manifest: pd.DataFrame, pairs: pd.DataFrame) -> Proof:
    """No pair of copies, found anew, lies in two splits."""
    split = manifest.drop_duplicates("path").set_index("path")["split"]
    one, other = pairs["image_id"].map(split), pairs["other_id"].map(split)
    across = pairs[one.ne(other)]
    named = [f"{p.image_id} = {p.other_id} ({p.kind})" for p in across.itertuples()]
    return _proof("copies", named, f"{len(pairs)} pairs of copies, none in two splits", "pairs in two splits")
