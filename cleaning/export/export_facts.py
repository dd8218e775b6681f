"""export.json: the facts of an export for machines: what it is, and all that is needed to make it again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired

import pandas as pd
from typing_extensions import TypedDict

from imageclinic.cleaning.export import formats
from imageclinic.cleaning.export.export_format import ExportFormat
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cleaning.export.losses.left_out import LeftOut
from imageclinic.cleaning.export.losses.value_range import ValueRange
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.naming import label_sets
from imageclinic.core.naming.class_order import of_manifest
from imageclinic.core.reading.json_files import Count, read_json
from imageclinic.core.run import Run

FILE = "export.json"
#: Which class has which number.
CLASSES = "classes.json"


class Source(TypedDict):
    """The dataset that an export was made from."""

    name: str
    files: Count
    sha256: str


class Decisions(TypedDict):
    """Who decided."""

    sha256: str
    by: list[str]


class Facts(TypedDict):
    """export.json; what is not required came with later versions."""

    format: NotRequired[str]
    classes: list[str]
    images: dict[str, Count]
    options: NotRequired[dict[str, str]]
    dataset: NotRequired[Source]
    decisions: NotRequired[Decisions]
    changes: NotRequired[dict[str, Count]]
    notes: NotRequired[list[str]]
    label_separator: NotRequired[str]


def of(
    manifest: pd.DataFrame,
    changes: pd.DataFrame,
    run: Run,
    format: ExportFormat,
    options: Mapping[str, str],
    notes: Sequence[str],
    left_out: LeftOut | None = None,
    ranges: Mapping[str, ValueRange] | None = None,
) -> dict[str, Any]:
    """The content of export.json: depends on the arguments and the run's tables only (no times, no places).

    Args:
        manifest: tables.MANIFEST.
        changes: see `cleaning.decisions.apply.apply`.
        run: the audited run.
        format: of the export.
        options: see `cleaning.export.export_options.ExportOptions.flags`.
        notes: on the split.
        left_out: see `cleaning.export.losses.left_out.of`.
        ranges: see `cleaning.export.losses.value_range.measure`.

    Returns:
        format; label_separator, where images may have several classes; options; dataset (name, files, sha256 over names
        and contents); decisions (sha256 of the log, who decided); classes, in the order of their numbers; images (split
        → number); changes (kind → images); notes; left_out (counts: kind → class → images; lost_classes; notes);
        value_range (integers and floats: the range of deep images that were re-encoded).
    """
    files, content = 0, hashlib.sha256()
    for piece in tables.read_pieces(run.table_path(tables.DATASET), tables.DATASET, ["image_id", "sha256"]):
        files += len(piece)
        for image_id, sha in zip(piece["image_id"], piece["sha256"].fillna(""), strict=True):
            content.update(f"{image_id}\0{sha}\n".encode())
    log = run.decisions.read_bytes() if run.decisions.exists() else b""
    by = {who for several in changes["reviewer"].dropna() for who in several.split(";")}
    separator = run.info().get(label_sets.KEY)
    return {
        "format": format.name,
        **({} if separator is None else {label_sets.KEY: separator}),
        "options": dict(options),
        "dataset": {"name": run.root.name, "files": files, "sha256": content.hexdigest()},
        "decisions": {"sha256": hashlib.sha256(log).hexdigest(), "by": sorted(by)},
        "classes": format.classes(label_sets.by_class(manifest, separator)),
        "images": {name: int((manifest["split"] == name).sum()) for name in tables.SPLITS},
        "changes": {str(kind): int(n) for kind, n in changes["change"].value_counts().sort_index().items()},
        "notes": list(notes),
        "left_out": {**left_out.facts(), "notes": left_out.notes()} if left_out else {"notes": []},
        "value_range": {
            kind: {**dataclasses.asdict(values), "sentence": values.sentence(kind)}
            for kind, values in (ranges or {}).items()
        },
    }


def class_file(manifest: pd.DataFrame, format: ExportFormat) -> dict[str, str]:
    """Name → content of the file that says which class has which number, and, where images lie in folders of classes,
    in which. Depends on the manifest only. Exports of earlier versions have none."""
    classes = of_manifest(manifest)
    if classes is None:
        return {}
    folder = format.folder_names(manifest)
    rows = [
        {"index": n, "class": name, **({"folder": folder[name]} if folder else {})} for n, name in enumerate(classes)
    ]
    return {CLASSES: json.dumps(rows, ensure_ascii=False, indent=1) + "\n"}


def refuse_label_sets(out: Path, command: str) -> None:
    """Raises InputError for an export, if it is one, of images that may have several classes."""
    if (out / FILE).is_file():
        label_sets.refuse(read(out), command)


def read(out: Path) -> dict[str, Any]:
    """The content of an export's export.json. One that names no format is of an export as folders.

    Raises:
        InputError: when it is missing or is no such file.
    """
    path = out / FILE
    about: dict[str, Any] = {"format": ExportOptions.format, **read_json(path, Facts, fix="export again")}
    if about["format"] not in formats.names():
        raise InputError(
            f"{path}: unknown format {about['format'][:100]!r}",
            expected=f"one of {', '.join(formats.names())}",
            fix="export again",
        )
    return about
