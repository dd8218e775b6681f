"""Rows into a FiftyOne dataset, tens of thousands in seconds.

Documents go into the database as FiftyOne would write them, which is many times faster than its samples are. How this
version of FiftyOne writes them is learned from one sample, which it writes and we read.
"""

from __future__ import annotations

import datetime
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from bson import ObjectId, json_util

from imageclinic.cleaning.review.dataset.fields import BOOLEANS, FIELDS, FLOATS, INTEGERS

if TYPE_CHECKING:
    import fiftyone as fo
    from pymongo import MongoClient
    from pymongo.collection import Collection

#: Documents that are sent to the database at once.
_BATCH = 10_000
#: What becomes FiftyOne's labels: the given one, the suggested one, and how sure that is.
_LABELLING = ("label", "suggested_label", "confidence")
Document = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where the documents of a dataset go, and what they look like."""

    dataset: str
    """The dataset's name."""
    collection: Collection[Document] | None
    """In the database; None where this version of FiftyOne does not show it."""
    learned: Document
    """How FiftyOne has written the sample `example`."""

    def to_text(self) -> str:
        """For another process, which gives it to `from_text`."""
        where = None if self.collection is None else (self.collection.database.name, self.collection.name)
        return json_util.dumps({"dataset": self.dataset, "where": where, "learned": self.learned})

    @staticmethod
    def from_text(text: str, client: MongoClient[Document]) -> Place:
        """The place that another process has found, by a connection of our own to its database."""
        found = json_util.loads(text)
        collection = found["where"] and client[found["where"][0]][found["where"][1]]
        return Place(found["dataset"], collection, found["learned"])


def example(checks: Sequence[str]) -> Document:
    """What `_values` gives for an image of which everything is known."""
    values: Document = dict.fromkeys(FIELDS, "text")
    values |= dict.fromkeys(INTEGERS, 1) | dict.fromkeys((*FLOATS, *checks), 0.5) | dict.fromkeys(BOOLEANS, True)
    values |= {"checks": ["text"], "decided_at": datetime.datetime(2000, 1, 1)}
    return {**values, "filepath": "/text.jpg", "label": "text", "suggested_label": "text", "confidence": 0.5}


def place_of(dataset: fo.Dataset) -> Place:
    """Learn how FiftyOne writes a sample of this dataset, which stays empty."""
    checks = dataset.info["imageclinic"]["checks"]
    sample = _sample(example(checks))
    dataset.add_sample(sample)
    collection = getattr(dataset, "_sample_collection", None)
    learned = collection.find_one() if collection is not None else None
    dataset.delete_samples([sample.id])
    return Place(dataset.name, collection, learned or {})


def load(items: pd.DataFrame, checks: Sequence[str], place: Place) -> None:
    """Load the items into a dataset that has the fields and no samples.

    Where this version of FiftyOne writes other documents than we do, they go through FiftyOne one by one.

    Args:
        items: see `sample_rows.collect`.
        checks: the columns of `items` that hold their scores.
        place: see `place_of`.
    """
    if place.collection is None or _shape(_document(example(checks), place.learned)) != _shape(place.learned):
        _load_slowly(items, checks, place.dataset)
        return
    documents = (_document(values, place.learned) for values in _values(items, checks))
    while batch := list(itertools.islice(documents, _BATCH)):
        place.collection.insert_many(batch, ordered=False)


def _load_slowly(items: pd.DataFrame, checks: Sequence[str], name: str) -> None:
    import fiftyone as fo

    dataset = fo.load_dataset(name)
    dataset.add_samples((_sample(values) for values in _values(items, checks)), validate=False, progress=False)


def _values(items: pd.DataFrame, checks: Sequence[str]) -> Iterator[Document]:
    """Each item as plain Python values, None for null: what a sample needs, whichever way it is loaded."""
    plain = {name: _plain(items[name]) for name in (*FIELDS, *checks, "checks", "filepath", *_LABELLING)}
    for name in INTEGERS:
        plain[name] = [None if value is None else int(value) for value in plain[name]]
    plain["checks"] = [value or [] for value in plain["checks"]]
    plain["decided_at"] = [None if at is None else pd.Timestamp(at).to_pydatetime() for at in plain["decided_at"]]
    return (dict(zip(plain, values, strict=True)) for values in zip(*plain.values(), strict=True))


def _plain(column: pd.Series) -> list[Any]:
    """The values of a column, None for null."""
    return [None if null else value for value, null in zip(column.tolist(), column.isna().tolist(), strict=True)]


def _sample(values: Document) -> fo.Sample:
    import fiftyone as fo

    given, suggested, confidence = (values[name] for name in _LABELLING)
    return fo.Sample(
        ground_truth=given and fo.Classification(label=given),
        suggested=suggested and fo.Classification(label=suggested, confidence=confidence),
        **{name: value for name, value in values.items() if name not in _LABELLING},
    )


def _document(values: Document, learned: Document) -> Document:
    """A sample as FiftyOne's documents have it: what is not ours is as in the learned one. Uses up the values."""
    given, suggested, confidence = (values.pop(name) for name in _LABELLING)
    own = {"_id": ObjectId(), "_rand": random.random()}
    labels = {"ground_truth": _classification(given), "suggested": _classification(suggested, confidence)}
    return {**learned, **values, **own, **labels}


def _classification(label: str | None, confidence: float | None = None) -> Document | None:
    if label is None:
        return None
    document: Document = {"_id": ObjectId(), "_cls": "Classification", "tags": [], "label": label}
    if confidence is not None:
        document["confidence"] = confidence
    return document


def _shape(document: Any) -> Any:
    """The names and types in a document."""
    if isinstance(document, dict):
        return {name: _shape(value) for name, value in document.items()}
    return type(document)
