"""A Hugging Face `Dataset`, or a `DatasetDict` of splits, in memory. Images are taken as the bytes that they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from imageclinic.audit.listing.folder_names import split_of
from imageclinic.audit.listing.packed import image_columns
from imageclinic.audit.listing.packed.packed_source import Event, Part, Reading, Source, Trouble
from imageclinic.core.errors import InputError

PLACE = 40
_ROWS = 32


def recognise(data: Any, reading: Reading) -> Source | None:
    """The Dataset or DatasetDict that `data` is, known by what it can do: `datasets` itself is not needed."""
    tables = dict(data) if isinstance(data, Mapping) else {"": data}
    if not tables or not all(_is_dataset(each) for each in tables.values()):
        return None
    parts = []
    for name, dataset in tables.items():
        where = f"the dataset {name}".strip()
        features = dataset.features.to_dict()
        schema = dataset.with_format("arrow")[:0].schema
        image = image_columns.image_column(schema, features, reading.columns.get("path"))
        if image is None:
            raise InputError(
                f"{where} has no column of images; it has {', '.join(map(repr, schema.names))}",
                expected="a column of the type Image",
                fix="name it with columns={'path': …}",
            )
        columns = image_columns.choose(schema, features, image, reading, where)
        key = f"{dataset._fingerprint} {columns!r}"
        size = int(getattr(dataset.data, "nbytes", 0)) if hasattr(dataset, "data") else 0
        parts.append(Part(name or "dataset", key, partial(_events, dataset, columns), None, split_of(name), size))
    return Source(_name(next(iter(tables.values()))), "a Hugging Face dataset", parts, layout="table")


def _is_dataset(data: Any) -> bool:
    return all(hasattr(data, name) for name in ("features", "with_format", "_fingerprint", "num_rows"))


def _name(dataset: Any) -> str:
    name = str(getattr(getattr(dataset, "info", None), "dataset_name", None) or "dataset")
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name).lstrip(".") or "dataset"


def _events(dataset: Any, columns: image_columns.Columns) -> Iterator[Event]:
    rows = dataset.with_format("arrow")
    for start in range(0, dataset.num_rows, _ROWS):
        try:
            table = rows[start : start + _ROWS]
        except (OSError, ValueError, pa.ArrowException) as error:
            yield Trouble(f"rows {start}…{start + _ROWS - 1}", f"can't be read: {error}")
            continue
        yield from image_columns.events(table, columns, start, Path())
