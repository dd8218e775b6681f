"""Datumaro's JSON, as CVAT exports it: annotations/SUBSET.json with labels of items, and images/SUBSET/.

Source: the documentation of CVAT ("Datumaro") and Datumaro's reader of the format.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imageclinic.audit.listing.annotation_exports.export_source import Export, Given, Named, read_json, records
from imageclinic.audit.listing.annotation_exports.one_label import one_of
from imageclinic.core.errors import InputError

PLACE = 40


def recognise(given: Given) -> Export | None:
    """The subset that was given, or all that lie in the given folder's `annotations`."""
    parts = {file: content for file in given.files_in("annotations", ".json") if _is_one(content := read_json(file))}
    if _is_one(given.json):
        parts = {given.place: given.json}
    if not parts:
        return None
    images: list[Named] = []
    labels: dict[str, list[str]] = {}
    shapes = 0
    for file, content in parts.items():
        names = _names(content, file)
        for item in records(content, "items"):
            about = item.get("image")
            path = about.get("path") if isinstance(about, dict) else None
            name = path if isinstance(path, str) and path else str(item.get("id", ""))
            given_labels = [
                _label(each, names, file) for each in records(item, "annotations") if each.get("type") == "label"
            ]
            shapes += sum(1 for each in records(item, "annotations") if each.get("type") not in ("label", "caption"))
            labels[f"{file.stem}/{name}"] = given_labels
            images.append(
                Named(name, next(iter(given_labels), None), file.stem, (f"images/{file.stem}", "images", file.stem, ""))
            )
    return Export("Datumaro", given.root, images, notes=one_of(str(given.place), labels, shapes, "shapes (Datumaro)"))


def _is_one(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and isinstance(content.get("items"), list)
        and isinstance(content.get("categories"), dict)
    )


def _names(content: dict[str, Any], file: Path) -> list[str]:
    found = content["categories"].get("label")
    return [str(each.get("name", "")) for each in records(found, "labels")]


def _label(annotation: dict[str, Any], names: list[str], file: Path) -> str:
    number = annotation.get("label_id")
    if not isinstance(number, int) or not 0 <= number < len(names):
        raise InputError(f"{file} has the label {number!r}", expected=f"one of its {len(names)} classes, from 0")
    return names[number]
