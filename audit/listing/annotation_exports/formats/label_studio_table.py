"""Label Studio's JSON-MIN and CSV: a record for each annotation of a task, with the task's data, the answers by
question and who annotated. In a CSV file several choices are JSON. Source: Label Studio's converter."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pandas as pd

from imageclinic.audit.listing.annotation_exports.export_source import Export, Given, Named, text
from imageclinic.audit.listing.annotation_exports.label_studio_names import image_key, looks_like_image, named, question
from imageclinic.audit.listing.annotation_exports.one_label import one_of

PLACE = 20
#: What the converter adds to a task's data and the answers.
_ABOUT = frozenset(
    "id annotator annotation_id created_at updated_at lead_time was_cancelled agreement completed_by".split()
)
_NEEDED = frozenset(("annotation_id", "lead_time"))


def recognise(given: Given) -> Export | None:
    """The .json or .csv file that was given."""
    rows = _rows(given)
    if not rows or not all(row.keys() >= _NEEDED for row in rows):
        return None
    where = str(given.place)
    key = image_key(rows, where)
    asked = Counter(
        str(name)
        for row in rows
        for name, value in row.items()
        if name not in _ABOUT and name != key and _choices(value) is not None and not looks_like_image(value)
    )
    boxes = sum(
        1
        for row in rows
        for name, value in row.items()
        if name not in _ABOUT
        for each in _list(value)
        if _is_part(each)
    )
    chosen = question(asked, given.label, where) if asked else None
    images: list[Named] = []
    labels: dict[str, list[str]] = {}
    for at, row in enumerate(rows):
        skipped = str(row.get("was_cancelled")).lower() == "true"
        found = [] if skipped or chosen is None else _choices(row.get(chosen)) or []
        labels[f"{row.get(key)} ({at})"] = found
        images.append(named(text(row.get(key)) or "", next(iter(found), None)))
    answered = {image.name for image in images if image.label is not None}
    images = [image for image in images if image.label is not None or image.name not in answered]
    return Export(
        "Label Studio",
        given.root,
        images,
        questions=True,
        notes=one_of(where, labels, boxes, "boxes or shapes (Label Studio)"),
    )


def _rows(given: Given) -> list[dict[str, Any]]:
    if isinstance(given.json, list):
        return given.json if all(isinstance(row, dict) for row in given.json) else []
    if not all(name.encode() in given.begins for name in _NEEDED):  # a manifest may have millions of rows
        return []
    table = given.table
    return [] if table is None or table.columns.has_duplicates else _records(table)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    names = [str(name) for name in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.itertuples(index=False, name=None)]


def _choices(value: Any) -> list[str] | None:
    """The choices that a cell holds; None for what is no answer to a question of choices."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
    if isinstance(value, dict) and isinstance(value.get("choices"), list):
        return [name for each in value["choices"] if (name := text(each))]
    if isinstance(value, list):
        parts = [_choices(each) for each in value]
        return None if not parts or None in parts else [name for part in parts for name in part or []]
    name = text(value) if isinstance(value, str) else None
    return None if name is None else [name]


def _list(value: Any) -> list[Any]:
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    return value if isinstance(value, list) else []


def _is_part(each: Any) -> bool:
    return isinstance(each, dict) and bool({"x", "points", "rle", "rectanglelabels", "polygonlabels"} & each.keys())
