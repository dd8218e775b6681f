"""Rows into a FiftyOne dataset, tens of thousands in seconds."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from imageclinic.cleaning.review.dataset.fields import BOOLEANS, FIELDS, FLOATS, INTEGERS, LABELS, READ_ONLY
from imageclinic.core.processes.temporary_folders import temporary_folder

if TYPE_CHECKING:
    import fiftyone as fo

_IMPORTED = ("created_at", "last_modified_at", "_dataset_id")


def _declare(dataset: fo.Dataset, checks: list[str]) -> None:
    import fiftyone as fo

    types = {"decided_at": fo.DateTimeField}
    types |= dict.fromkeys(INTEGERS, fo.IntField) | dict.fromkeys(BOOLEANS, fo.BooleanField)
    types |= dict.fromkeys(FLOATS, fo.FloatField)
    for name, meaning in LABELS.items():
        embedded = {"embedded_doc_type": fo.Classification, "description": meaning}
        dataset.add_sample_field(name, fo.EmbeddedDocumentField, **embedded)
    dataset.add_sample_field(
        "checks", fo.ListField, subfield=fo.StringField, description="the checks that found something"
    )
    for name, meaning in FIELDS.items():
        fixed = name in READ_ONLY  # now, for to save each of them later takes a second in all
        dataset.add_sample_field(name, types.get(name, fo.StringField), description=meaning, read_only=fixed)
    for name in checks:
        dataset.add_sample_field(name, fo.FloatField, description=f"score of {name}: 1 is worst", read_only=True)


def _values(items: pd.DataFrame, checks: list[str]) -> Iterator[dict[str, Any]]:
    """Each item as plain Python values, None for null: what a sample needs, whichever way it is loaded."""
    plain = items.astype(object).where(items.notna(), None)
    for row in plain.to_dict("records"):
        values = {name: row[name] for name in (*FIELDS, *checks)}
        values |= {name: None if row[name] is None else int(row[name]) for name in INTEGERS}
        values["checks"] = row["checks"] or []
        values["decided_at"] = None if row["decided_at"] is None else pd.Timestamp(row["decided_at"])
        yield {
            "filepath": row["filepath"],
            "ground_truth": row["label"],
            "suggested": row["suggested_label"],
            "confidence": row["confidence"],
            "fields": values,
        }


def load(name: str, items: pd.DataFrame, checks: list[str]) -> fo.Dataset:
    """Load the items through FiftyOne's file format, which is ten times faster than sample by sample.

    One sample goes through the slow way and is exported, to learn the format of this version; when ours looks
    otherwise, or the number that arrives is wrong, all go the slow way.
    """
    import fiftyone as fo

    template = fo.Dataset()
    try:
        _declare(template, checks)
        if len(items):
            template.add_sample(_sample(next(_values(items.head(1), checks))))
        with temporary_folder("imageclinic-review-") as scratch:
            folder = str(scratch / "dataset")  # one that exists is warned about
            template.export(folder, dataset_type=fo.types.FiftyOneDataset, export_media=False)
            path = Path(folder) / "samples.json"
            learned = json.loads(path.read_text("utf-8"))["samples"]
            if learned and _shape(learned[0]) == _shape(_document(next(_values(items.head(1), checks)), learned[0])):
                # The import writes these itself; to parse them is a quarter of its time.
                ours = {name: value for name, value in learned[0].items() if name not in _IMPORTED}
                documents = (_document(values, ours) for values in _values(items, checks))
                with path.open("w", encoding="utf-8") as file:
                    file.write('{"samples": [')
                    for n, document in enumerate(documents):
                        file.write((", " if n else "") + json.dumps(document))
                    file.write("]}")
                dataset = fo.Dataset.from_dir(
                    folder, dataset_type=fo.types.FiftyOneDataset, name=name, persistent=True, progress=False
                )
                if len(dataset) == len(items):
                    return dataset
                dataset.delete()
    finally:
        template.delete()
    dataset = fo.Dataset(name, persistent=True)
    _declare(dataset, checks)
    dataset.add_samples((_sample(values) for values in _values(items, checks)), validate=False, progress=False)
    return dataset


def _sample(values: dict[str, Any]) -> fo.Sample:
    import fiftyone as fo

    suggested = values["suggested"]
    return fo.Sample(
        filepath=values["filepath"],
        ground_truth=values["ground_truth"] and fo.Classification(label=values["ground_truth"]),
        suggested=suggested and fo.Classification(label=suggested, confidence=values["confidence"]),
        **values["fields"],
    )


def _document(values: dict[str, Any], learned: dict[str, Any]) -> dict[str, Any]:
    """A sample as FiftyOne's format has it, with what is not ours taken from the learned one."""
    from bson import ObjectId

    def classification(label: str | None, confidence: float | None = None) -> dict[str, Any] | None:
        if label is None:
            return None
        document: dict[str, Any] = {"_id": {"$oid": str(ObjectId())}, "_cls": "Classification", "tags": []}
        return document | {"label": label} | ({} if confidence is None else {"confidence": confidence})

    at = values["fields"]["decided_at"]
    return {
        **learned,
        "_id": {"$oid": str(ObjectId())},
        "_rand": random.random(),
        "filepath": values["filepath"],
        **values["fields"],
        "ground_truth": classification(values["ground_truth"]),
        "suggested": classification(values["suggested"], values["confidence"]),
        "decided_at": None if at is None else {"$date": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")},
    }


def _shape(document: Any) -> Any:
    """The names and types in a document, without what is null: FiftyOne leaves that out."""
    if isinstance(document, dict):
        return {name: _shape(value) for name, value in document.items() if value is not None}
    return type(document)
