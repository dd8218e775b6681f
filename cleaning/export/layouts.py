"""Where each format of an export puts its images, and the files beside them. Pure, but for `write_indexes`."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

from imageclinic.cleaning.export import safe_names
from imageclinic.core import tables

FORMATS = ("folders", "manifest", "tfrecord", "imagefolder", "fiftyone")
#: Beside the images of a split: what Hugging Face's and FiftyOne's loaders read.
METADATA, LABELS = "metadata.csv", "labels.json"


def classes(manifest: pd.DataFrame, format: str) -> list[str]:
    """All classes in the order of their numbers: sorted, and for Keras's folder loader sorted by their folders."""
    return sorted(manifest["label"].unique(), key=folders(manifest).__getitem__ if format == "folders" else None)


def folders(manifest: pd.DataFrame) -> dict[str, str]:
    """Class → a safe name for its folder."""
    every = sorted(manifest["label"].unique())
    return dict(zip(every, safe_names.unique([safe_names.safe(c) for c in every], every), strict=True))


def paths(manifest: pd.DataFrame, image_format: pd.Series, format: str) -> pd.Series:
    """The path of each image in the export: safe names, unique within their class over all splits.

    Args:
        manifest: image_id, label, split.
        image_format: Pillow's name of each image's format, nullable, indexed like `manifest`.
        format: one of `FORMATS` but ``manifest``. In ``tfrecord`` it is a name within the records.

    Returns:
        ``split/class/file``; in ``fiftyone`` ``split/data/class/file``, unique also without suffixes.
    """
    file = [
        safe_names.safe(safe_names.with_suffix(PurePosixPath(image_id).name, None if pd.isna(kind) else kind))
        for image_id, kind in zip(manifest["image_id"], image_format, strict=True)
    ]
    named = pd.Series(file, index=manifest.index, dtype="str")
    unique = _unique_stems if format == "fiftyone" else safe_names.unique
    distinct = [
        pd.Series(unique(named[rows.index].tolist(), rows["image_id"].tolist()), rows.index, dtype="str")
        for _, rows in manifest.groupby("label")
    ]
    inner = "/data/" if format == "fiftyone" else "/"
    return manifest["split"] + inner + manifest["label"].map(folders(manifest)) + "/" + pd.concat(distinct)


def _unique_stems(file: list[str], of: list[str]) -> list[str]:
    parts = [PurePosixPath(name) for name in file]
    stems = safe_names.unique([part.stem for part in parts], of)
    return [stem + part.suffix for stem, part in zip(stems, parts, strict=True)]


def relative(source: Path, target: Path) -> str:
    """The way from the export to an image of the source, bytes that are not UTF-8 escaped."""
    return tables.to_image_id(Path(os.path.relpath(source.resolve(), target)).as_posix())


def make_folders(manifest: pd.DataFrame, out: Path) -> None:
    """Every class in every split that has images, also where it is empty: Keras numbers classes by folders."""
    inner = {PurePosixPath(*PurePosixPath(path).parts[1:-1]) for path in manifest["path"]}
    for split in manifest["split"].unique():
        for name in inner:
            (out / split / name).mkdir(parents=True)


def indexes(manifest: pd.DataFrame, format: str) -> dict[str, str]:
    """Path in the export → content of the files by which a format's loader finds its images."""
    splits = {name: rows for name in tables.SPLITS if len(rows := manifest[manifest["split"] == name])}
    if format == "imagefolder":
        named = _names_survive(splits)
        return {
            f"{name}/{METADATA}": _metadata(rows, classes(manifest, format), named) for name, rows in splits.items()
        }
    if format == "fiftyone":
        return {f"{name}/{LABELS}": _labels(rows, classes(manifest, format)) for name, rows in splits.items()}
    return {}


def _metadata(rows: pd.DataFrame, every: list[str], named: bool) -> str:
    """Hugging Face's metadata.csv: file_name, label (a number), and, where it may, class (its name).

    Nothing is escaped: its loader takes cells as they are.
    """
    number = {label: n for n, label in enumerate(every)}
    table = pd.DataFrame(
        {
            "file_name": [PurePosixPath(path).relative_to(PurePosixPath(path).parts[0]) for path in rows["path"]],
            "label": rows["label"].map(number).to_numpy("int64"),
            **({"class": rows["label"].to_numpy(object)} if named else {}),
        }
    )
    return table.to_csv(index=False, lineterminator="\n")


def _names_survive(splits: Mapping[str, pd.DataFrame]) -> bool:
    """Whether class names stay text in a CSV that is read by guessing: Hugging Face's loader would take "01" for a
    number and "NA" for nothing, and refuse splits whose guesses differ."""
    for rows in splits.values():
        labels = pd.DataFrame({"class": sorted(rows["label"].unique())})
        try:
            back = pd.read_csv(io.StringIO(labels.to_csv(index=False, lineterminator="\n")))["class"]
        except pd.errors.ParserError:
            return False
        if back.tolist() != labels["class"].tolist():
            return False
    return True


def _labels(rows: pd.DataFrame, every: list[str]) -> str:
    """FiftyOneImageClassificationDataset's labels.json: names without suffixes → numbers of classes."""
    number = {label: n for n, label in enumerate(every)}
    stems = [str(PurePosixPath(path.split("/data/", 1)[1]).with_suffix("")) for path in rows["path"]]
    labels = dict(zip(stems, (number[label] for label in rows["label"]), strict=True))
    return json.dumps({"classes": every, "labels": labels}, ensure_ascii=False, indent=1) + "\n"
