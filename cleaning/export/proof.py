"""Proves an export by reading it back: nothing is taken from the manifest on trust."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from imageclinic.cleaning.export import balance, datasheet, export_facts, layouts
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.hashing import readable_sha256

#: Files of an export that are no images, and files that systems leave in folders.
_OWN = frozenset({tables.MANIFEST.file, datasheet.FILE, export_facts.FILE})
_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_SHOWN = 5

#: (export, empty folder) → writes the images of all records into the folder by their paths, and returns one row each:
#: shard, path, image_id, class, number; see `training.data.tfrecord.unpack`.
Unpack = Callable[[Path, Path], pd.DataFrame]


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
    unpack: Unpack | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Proof]:
    """Read an export back and prove what it promises.

    Args:
        out: an export.
        find_pairs: scans the images that the manifest.csv in a folder lists anew, and returns pairs of copies:
            image_id, other_id (the manifest's ``path``), kind.
        unpack: reads records of images back as files; wanted for ``tfrecord``.
        progress: called with (done, total) files read.

    Returns:
        One proof each: files (all there, in the folder of their split and class), hashes, nothing else in the
        folder, no image twice, the indexes of the format, every class in train (other gaps are told), the counts of
        export.json, no split group and no pair of copies in two splits. Without readable manifest or export.json,
        only that.
    """
    try:
        manifest = tables.read_csv(out / tables.MANIFEST.file, tables.MANIFEST)
    except InputError as error:
        return [Proof("manifest", False, str(error))]
    try:
        about = export_facts.read(out)
    except InputError as error:
        return [Proof("facts", False, str(error))]
    if about["format"] != "tfrecord":
        inside = [path for path in manifest["path"] if not path.startswith("../")]
        return _proofs(out, out, manifest, about, inside, find_pairs, progress)
    if unpack is None:
        raise InputError(f"{out} holds records", expected="the argument unpack")
    with tempfile.TemporaryDirectory(prefix="imageclinic-records-") as scratch:
        folder = Path(scratch)
        try:
            records = unpack(out, folder)
        except InputError as error:
            return [Proof("records", False, str(error))]
        shutil.copy(out / tables.MANIFEST.file, folder)
        proofs = _proofs(out, folder, manifest, about, sorted(set(records["shard"])), find_pairs, progress)
        return [*proofs, _records(manifest, records, about["classes"])]


def _proofs(
    out: Path,
    folder: Path,
    manifest: pd.DataFrame,
    about: dict[str, Any],
    inside: list[str],
    find_pairs: Callable[[Path], pd.DataFrame],
    progress: Callable[[int, int], None] | None,
) -> list[Proof]:
    """The proofs of an export `out` whose images are files in `folder`, and which should hold the files `inside`."""
    files = [folder / tables.to_path(path) for path in manifest["path"]]
    indexes = {**layouts.indexes(manifest, about["format"]), **_balance(manifest, about)}
    found = {
        tables.to_image_id(file.relative_to(out).as_posix())
        for file in out.rglob("*")
        if not file.is_dir() and file.name not in _LITTER
    } - _OWN
    hashes = []
    for done, file in enumerate(files, 1):
        hashes.append(readable_sha256(file))
        if progress:
            progress(done, len(files))
    actual = pd.Series(hashes, index=manifest.index, dtype="str")
    wrong = actual.notna() & actual.ne(manifest["sha256"])
    across = manifest.groupby("split_group")["split"].nunique()
    stale = [path for path, content in indexes.items() if _text(out / path) != content]
    return [
        _proof("files", manifest.loc[actual.isna(), "path"], f"{len(manifest)} files are there", "missing"),
        _proof("hashes", manifest.loc[wrong, "path"], f"{actual.notna().sum()} files are as written", "changed"),
        _proof("nothing else", sorted(found - set(inside) - set(indexes)), "no other files", "not in the manifest"),
        _proof(
            "one row per file", manifest.loc[manifest["path"].duplicated(), "path"], "every path once", "listed twice"
        ),
        _folders(manifest, about["format"]),
        *(
            [_proof("indexes", stale, f"{', '.join(indexes)}: as the manifest", "not as the manifest")]
            if indexes
            else []
        ),
        _classes(manifest),
        _counts(manifest, about),
        _proof("groups", across.index[across > 1].tolist(), f"{len(across)} groups, each in one split", "divided"),
        _pairs(manifest, find_pairs(folder)),
    ]


def _proof(name: str, offenders: Collection[str] | pd.Series, good: str, bad: str) -> Proof:
    if not len(offenders):
        return Proof(name, True, good)
    return Proof(name, False, f"{len(offenders)} {bad}: {_some(list(offenders))}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _balance(manifest: pd.DataFrame, about: dict[str, Any]) -> dict[str, str]:
    """The file that should balance the training images; it depends on the manifest only."""
    options = about.get("options", {})
    classes = layouts.classes(manifest, about["format"])
    return balance.files(manifest, options.get("balance", "none"), classes, int(options.get("seed", 0)))


def _text(file: Path) -> str | None:
    try:
        return file.read_bytes().decode("utf-8", "replace")
    except OSError:
        return None


def _folders(manifest: pd.DataFrame, format: str) -> Proof:
    """In an export with images, the folders say what the manifest says, and nothing lies outside of them."""
    outside = manifest["path"].str.startswith("../")
    if format == "manifest":
        lost = manifest.loc[~outside, "path"].tolist()
        return _proof("folders", lost, "none: the manifest points to the source", "do not point to the source")
    rows = manifest[~outside]
    parts = [PurePosixPath(path.replace("/data/", "/", format == "fiftyone")).parts for path in rows["path"]]
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


def _records(manifest: pd.DataFrame, records: pd.DataFrame, classes: list[str]) -> Proof:
    """Every record says what the manifest says of its image, lies in a shard of its split, and is there once."""
    both = records.merge(
        manifest[["path", "image_id", "label", "split"]], on="path", how="left", suffixes=("", "_here")
    )
    number = both["label"].map({label: n for n, label in enumerate(classes)})
    right = (
        both["number"].eq(number)
        & both["class"].eq(both["label"])
        & both["image_id"].eq(both["image_id_here"])
        & ~both["path"].duplicated()
        & (both["shard"].str.split("-").str[0] == both["split"])
    )
    return _proof(
        "records", both.loc[~right, "path"], f"{len(both)} records fit the manifest", "do not fit the manifest"
    )


def _counts(manifest: pd.DataFrame, about: dict[str, Any]) -> Proof:
    """export.json counts what is there."""
    there = {name: int((manifest["split"] == name).sum()) for name in tables.SPLITS}
    told = about.get("images", {})
    wrong = [f"{name} has {n}, not {told.get(name)}" for name, n in there.items() if told.get(name) != n]
    if about.get("classes") != layouts.classes(manifest, about["format"]):
        wrong.append("other classes")
    shown = ", ".join(f"{n} in {name}" for name, n in there.items())
    return _proof("counts", wrong, shown, "counts do not fit")


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
