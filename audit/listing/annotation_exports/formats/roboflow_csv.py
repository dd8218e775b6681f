"""Roboflow's classification with a table: _classes.csv beside the images, ``filename`` and a column of 0 and 1 for each
class; in the folders train, valid and test, or in one. (Its other export, class folders, needs no format.)"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from imageclinic.audit.listing.annotation_exports.export_source import Export, Given, Named
from imageclinic.audit.listing.annotation_exports.one_label import one_of
from imageclinic.audit.listing.folder_names import says_no_label
from imageclinic.audit.listing.manifest import read_csv
from imageclinic.core.errors import InputError

PLACE = 60
_FILE = "_classes.csv"


def recognise(given: Given) -> Export | None:
    """The table that was given, or those in the given folder and the folders in it."""
    files = [given.place] if given.place.name == _FILE and given.is_file(".csv") else given.files(_FILE)
    if not files or given.label is not None:
        return None
    images: list[Named] = []
    labels: dict[str, list[str]] = {}
    for file in files:
        folder = file.resolve().parent.relative_to(given.root).as_posix()
        for name, found in _rows(file):
            labels[f"{folder}/{name}"] = found
            images.append(Named(name, next(iter(found), None), file.resolve().parent.name, (folder,)))
    return Export("Roboflow", given.root, images, notes=one_of(str(given.place), labels, 0))


def _rows(file: Path) -> list[tuple[str, list[str]]]:
    """The name of each image, and its classes. A column called Unlabeled is none."""
    table = read_csv(file)
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    if "filename" not in table.columns or len(table.columns) < 2 or table.columns.has_duplicates:
        raise InputError(f"{file} has the columns {', '.join(table.columns)}", expected="filename, and one for a class")
    names = [str(name) for name in table["filename"]]
    cells = table.drop(columns="filename").map(lambda cell: str(cell).strip())
    for row, values in enumerate(cells.itertuples(index=False)):
        if wrong := set(values) - {"0", "1", "0.0", "1.0", ""}:
            raise InputError(f"{file}, row {row + 2}: {wrong.pop()!r}", expected="0 or 1 in the columns of classes")
    classes = [None if says_no_label(name) else name for name in cells.columns]
    ones = cells.isin(("1", "1.0")).to_numpy()
    return [
        (name, [c for c, one in zip(classes, row, strict=True) if one and c is not None])
        for name, row in zip(names, ones, strict=True)
    ]
