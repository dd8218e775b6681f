"""Proves an export by reading it back: nothing is taken from the manifest on trust."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imageclinic.cleaning.export import balance, datasheet, export_facts, formats
from imageclinic.cleaning.export.export_format import ExportFormat, ReadBack
from imageclinic.cleaning.export.proof.copies_in_export import find_pairs
from imageclinic.cleaning.export.proof.outcome import Proof, proof
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.large import text_rows
from imageclinic.core.naming import label_sets
from imageclinic.core.naming.class_order import of_manifest
from imageclinic.core.naming.wording import few
from imageclinic.core.option_fields import SEED
from imageclinic.core.reading.hashing import readable_sha256
from imageclinic.core.reading.regular_files import read_bytes
from imageclinic.core.rows import lookup

#: Files of an export that are no images, and files that systems leave in folders.
OWN = frozenset({tables.MANIFEST.file, datasheet.FILE, export_facts.FILE})
#: No index of a format is larger, in bytes.
LARGEST_TEXT = 1 << 30
_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Contents:
    """What was found of an export.

    Attributes:
        names: paths of all of its files, text.
        holders: of these, those that hold images; None: the images themselves are files.
        hashes: sha256 of each image, indexed like the manifest; null where it is not there.
        text: the content of a file, or None.
        pairs: of copies, see `copies_in_export.find_pairs`.
    """

    names: pd.Series
    holders: Sequence[str] | None
    hashes: pd.Series
    text: Callable[[str], str | None]
    pairs: pd.DataFrame


def verify(out: Path, progress: Callable[[int, int], None] | None = None) -> list[Proof]:
    """Read an export back and prove what it promises.

    Args:
        out: an export.
        progress: called with (done, total) files read.

    Returns:
        One proof each: files (all there, in the folder of their split and class), hashes, nothing else in the
        folder, no image twice, the indexes of the format, every class in train (other gaps are listed), the counts of
        export.json, no split group and no pair of copies (searched again) in two splits, and what else the format
        promises. Without readable manifest, export.json or images, only that.
    """
    try:
        manifest = tables.read_csv(out / tables.MANIFEST.file, tables.MANIFEST)
    except InputError as error:
        return [Proof("manifest", False, str(error))]
    try:
        about = export_facts.read(out)
        format = formats.load(about["format"])
        _balance(manifest, about, format)  # raises
    except InputError as error:
        return [Proof("facts", False, str(error))]
    with contextlib.ExitStack() as stack:
        try:
            read = stack.enter_context(format.as_files(out))
        except InputError as error:
            return [Proof("records", False, str(error))]
        found = _contents(out, read, manifest, progress)
        return [*promises(manifest, about, format, found), *format.own_proofs(manifest, about["classes"], read)]


def _contents(
    out: Path,
    read: ReadBack,
    manifest: pd.DataFrame,
    progress: Callable[[int, int], None] | None,
) -> Contents:
    """What is in a folder."""

    def hashes() -> Iterator[str | None]:
        for done, path in enumerate(manifest["path"], 1):
            yield readable_sha256(read.folder / tables.to_path(path))
            if progress:
                progress(done, len(manifest))

    names = text_rows.column(_files_below(out))
    holders = None if read.records is None else list(read.records["shard"].unique())
    actual = text_rows.column(hashes()).set_axis(manifest.index)
    return Contents(names, holders, actual, lambda path: _text(out / path), find_pairs(read.folder, progress))


def _files_below(out: Path) -> Iterator[str]:
    """Paths of all files in a folder; what links to folders lead to is not looked at."""
    for folder, _, names in os.walk(out):
        below = Path(folder).relative_to(out)
        prefix = "" if below == Path() else f"{below.as_posix()}/"
        yield from (tables.to_image_id(prefix + name) for name in names if name not in _LITTER)


def promises(manifest: pd.DataFrame, about: Mapping[str, Any], format: ExportFormat, found: Contents) -> list[Proof]:
    """Prove what every export promises.

    Args:
        manifest: tables.MANIFEST.
        about: export.json.
        format: of the export.
        found: what is there.

    Raises:
        InputError: export.json names a balance that there is none of.
    """
    separator = about.get(label_sets.KEY)
    holders = manifest["path"] if found.holders is None else found.holders
    own = {**export_facts.class_file(manifest, format), **_balance(manifest, about, format)}
    indexes = {**format.indexes(manifest), **own}
    actual = found.hashes
    wrong = actual.notna() & actual.ne(manifest["sha256"])
    groups, divided = _groups(manifest)
    named = ", ".join(indexes)
    stale = [path for path, content in indexes.items() if found.text(path) != content]
    others = sorted(set(found.names[~lookup.among(found.names, holders)]) - OWN - set(indexes))
    return [
        proof("files", manifest.loc[actual.isna(), "path"], f"{len(manifest)} files are there", "missing"),
        proof("hashes", manifest.loc[wrong, "path"], f"{actual.notna().sum()} files are as written", "changed"),
        proof("nothing else", others, "no other files", "not in the manifest"),
        proof(
            "one row per file", manifest.loc[manifest["path"].duplicated(), "path"], "every path once", "listed twice"
        ),
        format.folders_proof(manifest),
        *([proof("indexes", stale, f"{named}: as the manifest", "not as the manifest")] if indexes else []),
        _classes(label_sets.by_class(manifest, separator)),
        _counts(manifest, about, format),
        proof("groups", divided, f"{groups} groups, each in one split", "divided"),
        _pairs(manifest, found.pairs, about.get("options", {})),
    ]


def _balance(manifest: pd.DataFrame, about: Mapping[str, Any], format: ExportFormat) -> dict[str, str]:
    """The file that should balance the training images; it depends on the manifest only."""
    options = about.get("options", {})
    how, seed = options.get("balance", "none"), options.get("seed", "0")
    if how not in balance.BALANCES or not seed.isdecimal() or int(seed[:20]) not in SEED:
        raise InputError(
            f"{export_facts.FILE}: balance {how[:100]!r} with seed {seed[:100]!r}",
            expected=f"one of {', '.join(balance.BALANCES)}, with a seed {SEED}",
            fix="export again",
        )
    return balance.files(manifest, how, format.classes(manifest), int(seed))


def _groups(manifest: pd.DataFrame) -> tuple[int, list[str]]:
    """How many split groups there are, and those that are in several splits."""
    group, names = pd.factorize(manifest["split_group"])
    split = pd.factorize(manifest["split"])[0]
    first = np.empty(len(names), np.intp)
    first[group[::-1]] = split[::-1]
    return len(names), sorted(names[np.unique(group[split != first[group]])])


def _text(file: Path) -> str | None:
    try:
        return read_bytes(file, LARGEST_TEXT).decode("utf-8", "replace")
    except OSError:
        return None


def _counts(manifest: pd.DataFrame, about: Mapping[str, Any], format: ExportFormat) -> Proof:
    """export.json counts what is there."""
    there = {name: int((manifest["split"] == name).sum()) for name in tables.SPLITS}
    claimed = about.get("images", {})
    wrong = [f"{name} has {n}, not {claimed.get(name)}" for name, n in there.items() if claimed.get(name) != n]
    if about.get("classes") != format.classes(label_sets.by_class(manifest, about.get(label_sets.KEY))):
        wrong.append("other classes")
    pairs = manifest[["label", "class_index"]].drop_duplicates()
    if of_manifest(manifest) is not None and sorted(pairs["class_index"]) != list(range(manifest["label"].nunique())):
        wrong.append("class_index does not number the classes")
    shown = ", ".join(f"{n} in {name}" for name, n in there.items())
    return proof("counts", wrong, shown, "counts do not fit")


def _classes(manifest: pd.DataFrame) -> Proof:
    """Every class is in train; where it lacks elsewhere is listed."""
    there = [split for split in tables.SPLITS if (manifest["split"] == split).any()]
    counts = pd.crosstab(manifest["label"], manifest["split"]).reindex(columns=list(tables.SPLITS), fill_value=0)
    gaps = [f"{label} not in {split}" for split in there for label in counts.index[counts[split] == 0].astype(str)]
    untrained = bool((counts["train"] == 0).any())
    good = f"{len(counts)} {'class' if len(counts) == 1 else 'classes'}, all in {', '.join(there)}"
    return Proof("classes", not untrained, few(gaps) if gaps else good)


def _pairs(manifest: pd.DataFrame, pairs: pd.DataFrame, options: Mapping[str, Any]) -> Proof:
    """No pair of copies, searched again, lies in two splits; but for near ones where that was asked for, or where a
    person kept both."""
    ends = [pairs[end] for end in ("image_id", "other_id")]
    one, other = (lookup.values(end, manifest, "split", key="path") for end in ends)
    kept = [lookup.values(end, manifest, "decision", key="path").eq("keep") for end in ends]
    allowed = pairs["kind"].eq("near") & ((options.get("near-copies") == "apart") | (kept[0] & kept[1]))
    across = pairs[one.ne(other) & ~allowed]
    spared = int((one.ne(other) & allowed).sum())
    if spared and across.empty:
        why = "as asked" if options.get("near-copies") == "apart" else "a person kept both"
        detail = f"{len(pairs)} pairs of copies; {spared} near ones are in two splits: {why}"
        return Proof("copies", True, detail)
    named = [f"{p.image_id} = {p.other_id} ({p.kind})" for p in across.itertuples()]
    return proof("copies", named, f"{len(pairs)} pairs of copies, none in two splits", "pairs in two splits")
