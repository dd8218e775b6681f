"""FiftyOneImageClassificationDataset: labels.json with the class of each image, and data/ (or data.json with paths); in
the folder, or in folders of it (train, validation, test). Source: FiftyOne's importer and exporter of the type."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imageclinic.audit.listing.annotation_exports.export_source import Export, Given, Named, read_json, text
from imageclinic.audit.listing.annotation_exports.one_label import one_of
from imageclinic.core.errors import InputError

PLACE = 70
_FILE = "labels.json"


def recognise(given: Given) -> Export | None:
    """The labels.json that was given, or those in the given folder and the folders in it."""
    files = given.files(_FILE)
    parts = {file: content for file in files if _is_one(content := read_json(file))}
    if _is_one(given.json):
        parts = {given.place: given.json}
    if not parts:
        return None
    images: list[Named] = []
    labels: dict[str, list[str]] = {}
    boxes = 0
    for file, content in parts.items():
        folder = file.resolve().parent.relative_to(given.root).as_posix()
        beside = "" if folder == "." else f"{folder}/"
        paths = read_json(file.with_name("data.json")) if file.with_name("data.json").is_file() else None
        for key, value in content["labels"].items():
            path = paths.get(key) if isinstance(paths, dict) else None
            name = posixpath.splitext(path)[0] if isinstance(path, str) else key
            if name.startswith("/"):  # absolute paths are written with their suffix
                name = posixpath.splitext(name)[0]
            found = _labels(value, content.get("classes"), file)
            boxes += sum(1 for each in found if each is None)
            labels[f"{beside}{key}"] = named = [each for each in found if each is not None]
            places = (f"{beside}data", beside.rstrip("/"))
            images.append(Named(name, next(iter(named), None), folder, places))
    return Export(
        "FiftyOne", given.root, images, True, notes=one_of(str(given.place), labels, boxes, "boxes (FiftyOne)")
    )


def _is_one(content: Any) -> bool:
    return isinstance(content, dict) and "classes" in content and isinstance(content.get("labels"), dict)


def _labels(value: Any, classes: Any, file: Path) -> list[str | None]:
    """The classes that an entry names: a number, a name, a record of it, or a list of these. None for a box."""
    if isinstance(value, list):
        return [label for each in value for label in _labels(each, classes, file)]
    if isinstance(value, dict):
        if {"bounding_box", "points", "mask"} & value.keys():
            return [None]
        value = value.get("label")
    if isinstance(value, int) and not isinstance(value, bool) and isinstance(classes, Sequence):
        if not 0 <= value < len(classes):
            raise InputError(f"{file} has the label {value}", expected=f"a number from 0 to {len(classes) - 1}")
        value = classes[value]
    label = text(value)
    return [] if label is None else [label]
