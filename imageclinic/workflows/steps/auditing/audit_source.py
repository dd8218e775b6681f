"""What an audit is of: its listing, its run folder, and how it relates to what that folder holds already."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from imageclinic.audit.labels import look_alike_names
from imageclinic.audit.listing import image_listing
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.naming import label_sets
from imageclinic.core.naming.run_names import RUNS
from imageclinic.core.naming.wording import few, shown
from imageclinic.core.progress import Say, Stage
from imageclinic.core.rows import lookup
from imageclinic.core.run import MARKER, Run
from imageclinic.workflows.steps.argument_types import kind_of
from imageclinic.workflows.steps.auditing import packed_data

# A dataset counts as moved, and not as another one, when so many of its files are there under the new root, and so many
# of those have the size they had.
_THERE, _SAME_SIZE, _LOOKED_AT = 0.5, 0.9, 1000


def listed(
    data: str | Path | pd.DataFrame | packed_data.InMemory,
    out: str | Path | None,
    root: str | Path | None,
    columns: Mapping[str, str] | None,
    layout: str | None,
    rehash: bool,
    stage: Stage,
    say: Say,
    label_separator: str | None = None,
) -> image_listing.Listing:
    """The listing of what a user gave. Packed data are unpacked into the run folder, see `packed_data`.

    Raises:
        InputError: see `audit.listing.image_listing.load`; a frame without a root, or with a layout.
    """
    named = dict(columns or {})
    if not isinstance(data, pd.DataFrame):
        given = packed_data.given(data)
        packed = packed_data.recognise(given, packed_data.Reading(named, layout))
        if packed is not None and label_separator is not None:
            raise InputError(
                "packed images, and a label separator was given", expected="a .csv or .parquet manifest, or a frame"
            )
        if packed is not None:
            path = RUNS / packed.name if out is None else Path(out)
            return packed_data.listed(packed, path, layout, rehash, stage, say)
        if not isinstance(given, Path):
            raise InputError(f"audit(data=…) is {kind_of(data)}", expected=packed_data.TAKEN)
    if isinstance(data, pd.DataFrame):
        if root is None:
            raise InputError("a frame was given without a root", expected="root=, the folder of its paths")
        if layout is not None:
            raise InputError("a frame was given with a layout of folders", expected="layout= with a folder")
        return image_listing.from_frame(data, Path(root).resolve(), columns=named, label_separator=label_separator)
    return image_listing.load(Path(data), columns=named, layout=layout, label_separator=label_separator)


def source(data: str | Path | pd.DataFrame | packed_data.InMemory, listing: image_listing.Listing) -> str:
    """What the images are listed by: "frame", "folder", the path of the manifest, or where packed data are."""
    if listing.packed is not None:
        return listing.packed
    if isinstance(data, pd.DataFrame):
        return "frame"
    return "folder" if listing.manifest is None else str(listing.manifest)


def run_folder(out: str | Path | None, listing: image_listing.Listing) -> Path:
    """Where the run goes: `out`; else below `RUNS`, under the name of the dataset's folder. A manifest whose folder's
    name is taken, by a run of another manifest or of the folder itself, has its own name added."""
    if out is not None:
        return Path(out)
    plain = RUNS / listing.name
    if listing.manifest is None:
        return plain
    own = RUNS / f"{listing.name}-{listing.manifest.stem}"
    if (own / MARKER).is_file():
        return own
    before = _source_before(Run(plain.absolute()).info())
    return plain if before is None or _same_source(before, str(listing.manifest)) else own


def check_outside(path: Path, listing: image_listing.Listing, by_folder: bool) -> None:
    """Raises InputError when the run folder lies among the images. A manifest often lies above much else; what it does
    not list is not the dataset."""
    inside = path.resolve().is_relative_to(listing.root)
    if inside and (by_folder or _holds_images(path.resolve(), listing)):
        raise InputError(
            f"the run folder {path} lies inside the dataset {listing.root}",
            expected="a folder outside of it: imageclinic never writes to your data",
            fix="give another one with --out, or start from another folder",
        )


def continues(run: Run, listing: image_listing.Listing, now: str, chosen: bool) -> list[str]:
    """Notes on how an audit relates to the one that the run folder holds.

    Args:
        run: the run folder.
        listing: of this audit.
        now: see `source`.
        chosen: whether the user named the run folder.

    Raises:
        InputError: the run is of another dataset; or of another manifest, and the user did not name the folder.
    """
    info = run.info()
    if not info:
        return []
    notes = []
    before = run.root
    if before != listing.root:
        if not _moved(run, listing):
            raise InputError(
                f"{run.path} holds a run of {before}",
                expected=f"a run of {listing.root}, or of the same files before they were moved there",
                fix="give another folder with --out",
            )
        notes.append(f"the dataset was in {before} at the last audit, and is in {listing.root} now: the same files")
    earlier = _source_before(info)
    if earlier is not None and not _same_source(earlier, now):
        if not chosen:
            raise InputError(
                f"{run.path} holds a run of {_named(earlier, before)}",
                expected=f"a run of {_named(now, listing.root)}",
                fix="give another folder with --out; or this one, to replace its results and keep its decisions",
            )
        notes.append(f"the last audit of this run was of {_named(earlier, before)}: its results are replaced")
    return notes


def label_changes(before: pd.DataFrame, after: pd.DataFrame) -> str | None:
    """Which labels changed between two dataset tables, in a sentence; None if none."""
    there = lookup.places(after["image_id"], before["image_id"])
    old = lookup.taken(before["label"], there[there >= 0]).fillna("no label")
    new = after.loc[there >= 0, "label"].reset_index(drop=True).fillna("no label")
    changed = old != new
    if not changed.any():
        return None
    names = zip(old[changed].astype(str), new[changed].astype(str), strict=True)
    examples = few([f"{shown(a)} → {shown(b)} {n:,}" for (a, b), n in Counter(names).most_common()])
    return f"labels since the last audit of this run: {int(changed.sum()):,} changed ({examples})"


def about_classes(dataset: pd.DataFrame, run: Run, label_separator: str | None) -> list[str | None]:
    """Sentences about classes that can't be read, and about names that look alike; None where there is nothing."""
    if label_separator is None:
        return [unreadable_classes(dataset), look_alikes(dataset, run)]
    sizes = label_sets.by_class(dataset, label_separator)["label"].value_counts()
    counted = few([f"{shown(str(name))} {n:,}" for name, n in sizes.items()])
    return [
        unreadable_classes(label_sets.by_class(dataset, label_separator)),
        f"images may have several classes: {len(sizes):,} classes ({counted}) in {dataset['label'].nunique():,} "
        "combinations; the report and the App show each combination as one label",
    ]


def unreadable_classes(dataset: pd.DataFrame) -> str | None:
    """A sentence about the classes of which no image can be read; None if there are none."""
    labelled = dataset[dataset["label"].notna()]
    readable = labelled.loc[labelled["read_error"].isna(), "label"].unique()
    bad = labelled[~lookup.among(labelled["label"], readable)]
    if bad.empty:
        return None
    errors = [(str(name), list(rows["read_error"])) for name, rows in bad.groupby("label")]
    names = [name for name, _ in errors]
    examples = few([f"{shown(name)} ({len(e):,}: {Counter(e).most_common(1)[0][0]})" for name, e in errors])
    return (
        f"WARNING: no image of {len(names):,} {'class' if len(names) == 1 else 'classes'} can be read, and an export "
        f"will be without {'it' if len(names) == 1 else 'them'}: {examples}"
    )


def look_alikes(dataset: pd.DataFrame, run: Run) -> str | None:
    """A sentence about classes that are most likely one class under two spellings; None if there are none."""
    sizes = {str(name): int(n) for name, n in dataset["label"].value_counts().items()}
    found = look_alike_names.find(sizes)
    if not found:
        return None
    merge = f"imageclinic decide {shlex.quote(str(run.path))} --accept look_alike_classes merges them"
    examples = few(look_alike_names.in_words(found, sizes))
    several = any(each.other is not None for each in found)
    return f"WARNING: names of classes look alike: {examples}" + (f"; {merge}" if several else "")


def lasting(notes: Sequence[str]) -> list[str]:
    """Of the notes of an earlier audit those that hold again when nothing has changed."""
    return [note for note in notes if note.startswith("WARNING")]


def _named(source: str, root: Path) -> str:
    if source in ("folder", "frame"):
        return f"the folder {root}" if source == "folder" else "a frame"
    return f"the manifest {source}" if source.lower().endswith(".csv") else source


def _same_source(before: str, now: str) -> bool:
    """Whether two sources (see `source`) are one, or one file that was moved."""
    return before == now or (Path(before).name == Path(now).name and not Path(before).exists())


def _source_before(info: Mapping[str, Any]) -> str | None:
    """See `source`, of the last audit; None when it is not known."""
    if "source" in info or not info:
        return info.get("source")
    data = info.get("arguments", {}).get("data")
    if not info.get("manifest"):
        return "folder"
    return data if data == "frame" or data is None else str(Path(data).resolve())


def _moved(run: Run, listing: image_listing.Listing) -> bool:
    """Whether the listed files are those of the last audit, by name and size."""
    if not run.has(tables.DATASET):
        return False
    known = run.read(tables.DATASET, ("image_id", "bytes"))
    there = known[lookup.among(known["image_id"], listing.images["image_id"])]
    if len(there) < _THERE * len(known):
        return False
    sample = there.iloc[:: max(1, len(there) // _LOOKED_AT)]
    sizes = [_size(listing.root / tables.to_path(image_id)) for image_id in sample["image_id"]]
    return bool((sample["bytes"].to_numpy() == sizes).mean() >= _SAME_SIZE)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - as the scan does
    except OSError:
        return 0  # what the scan writes for a missing file


def _holds_images(path: Path, listing: image_listing.Listing) -> bool:
    prefix = tables.to_image_id(path.relative_to(listing.root).as_posix()) + "/"
    return bool(prefix == "./" or listing.images["image_id"].str.startswith(prefix).any())
