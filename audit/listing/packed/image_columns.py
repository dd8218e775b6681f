"""Tables with the images themselves in a column, as Hugging Face's are: which columns, and their cells as events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from imageclinic.audit.listing.folder_names import SPLIT_NAMES, split_of
from imageclinic.audit.listing.packed.packed_source import LARGEST, Damaged, Event, Picture, Reading, Trouble
from imageclinic.audit.listing.packed.sample_labels import another_task
from imageclinic.core.errors import InputError
from imageclinic.core.formats import sniff, suffixes
from imageclinic.core.naming.wording import few

_LABELS = ("label", "labels", "class", "cls", "target")
_BOXES = ("objects", "bbox", "bboxes", "boxes", "annotations", "segmentation", "mask")


@dataclass(frozen=True)
class Columns:
    """Names of columns (None: there is none), and of the classes where labels are numbers. `split_asked`: whether the
    user named the column of splits."""

    image: str
    label: str | None
    split: str | None = None
    group: str | None = None
    classes: Sequence[str] | None = None
    split_asked: bool = False

    @property
    def names(self) -> list[str]:
        """The columns that are read."""
        return [name for name in (self.image, self.label, self.split, self.group) if name is not None]


def features_of(schema: pa.Schema) -> dict[str, Any]:
    """What Hugging Face's metadata in a file say of its columns: {} when there are none."""
    try:
        content = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = content["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def image_column(schema: pa.Schema, features: Mapping[str, Any], chosen: str | None) -> str | None:
    """The column that holds images; None when there is none, or when the images beside a column of paths are not
    declared as such: that is a manifest. A column of bytes counts when it is called so, or was chosen."""
    named = [name for name in schema.names if _kind(features.get(name)) == "Image"]
    records = [field.name for field in schema if _is_record(field.type)]
    binary = [f.name for f in schema if _is_binary(f.type) and f.name in ("image", "img", "jpg", "png", "bytes")]
    if chosen is not None:
        fits = chosen in named or (chosen in schema.names and _holds_bytes(schema.field(chosen).type))
        return chosen if fits else None
    if not named and "path" in schema.names and not pa.types.is_nested(schema.field("path").type):
        return None
    return next(iter([*(n for n in named if _holds_bytes(schema.field(n).type)), *records, *binary]), None)


def choose(schema: pa.Schema, features: Mapping[str, Any], image: str, reading: Reading, where: str) -> Columns:
    """The other columns, by what the user named, by the metadata, or by their usual names.

    Raises:
        InputError: no or several columns that can be the label, columns that are not there, another task.
    """
    given = reading.columns
    missing = [theirs for theirs in given.values() if theirs not in schema.names]
    if missing:
        raise InputError(
            f"{where} has no column {', '.join(map(repr, missing))}; it has {few(list(map(repr, schema.names)), 20)}",
            expected="the names of its columns",
        )
    label = given.get("label")
    if label is None:
        classes = [name for name in schema.names if _kind(features.get(name)) == "ClassLabel"]
        usual = [name for name in _LABELS if name in schema.names]
        found = classes if len(classes) == 1 else usual or classes
        if len(found) > 1 and not usual:
            raise InputError(
                f"{where} has {len(found)} columns of classes: {', '.join(map(repr, found))}",
                expected="one",
                fix="name it with --label-column; in Python with columns={'label': …}",
            )
        label = found[0] if found else None
    if label is None and reading.layout != "any":
        boxes = [name for name in _BOXES if name in schema.names]
        if boxes:
            raise another_task(where, f"boxes or masks (the column {boxes[0]!r}) and no label")
        raise InputError(
            f"{where} has images in the column {image!r} and no column of labels; it has "
            f"{few(list(map(repr, schema.names)), 20)}",
            expected="a column called label",
            fix="name it with --label-column (in Python: columns={'label': …}), or audit the images without labels: "
            "--layout any",
        )
    if label is not None and pa.types.is_nested(schema.field(label).type):
        raise another_task(where, f"several labels for one image (the column {label!r} holds lists)")
    names = features.get(label, {}).get("names") if label is not None else None
    split = given.get("split") or ("split" if "split" in schema.names else None)
    return Columns(image, label, split, given.get("group"), names, "split" in given)


def events(table: pa.Table | pa.RecordBatch, columns: Columns, first: int, folder: Path | None) -> Iterator[Event]:
    """The rows of a table as events, named by their number.

    Args:
        table: with the columns named by `columns`.
        columns: see `choose`.
        first: the number of the first row.
        folder: where paths in place of bytes lead to; None: they are not followed.
    """
    rows = table.select(columns.names).to_pylist()
    for number, row in enumerate(rows, first):
        cell = row[columns.image]
        data, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
        name = f"{number:08d}"
        try:
            if data is None and path and folder is not None:
                data = _file(folder / path)
            if not data:
                yield Trouble(f"row {number}", "no image: " + ("only a path" if path else "the cell is empty"))
                continue
            label = _label(row[columns.label], columns.classes) if columns.label else None
            split = _split(row[columns.split], number, columns) if columns.split else None
        except Damaged as error:
            yield Trouble(f"row {number}", str(error))
            continue
        if len(data) > LARGEST:
            yield Trouble(f"row {number}", f"too large: {len(data):,} bytes, the limit is {LARGEST:,}")
            continue
        group = row[columns.group] if columns.group else None
        ending = next(iter(suffixes(sniff(data))), Path(path or "").suffix.lower())
        yield Picture(
            name + ending, partial(bytes, data), len(data), label, split, None if group is None else str(group)
        )


def _label(value: Any, classes: Sequence[str] | None) -> str | None:
    """A label's name. Hugging Face writes −1 for an image whose label is kept back."""
    if value is None or value == "":
        return None
    if classes is None or isinstance(value, str):
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if value == -1:
        return None
    if not 0 <= value < len(classes):
        raise Damaged(f"a label that is no class: not in 0…{len(classes) - 1}")
    return str(classes[value])


def _split(value: Any, row: int, columns: Columns) -> str | None:
    """A split's name; None for a value that is none, in a column that the user has not named as one of splits."""
    known = None if value is None or value == "" else split_of(str(value))
    if known is None and columns.split_asked and value not in (None, ""):
        raise InputError(
            f"the column {columns.split!r}, row {row}: split {value!r}",
            expected=f"one of {', '.join(SPLIT_NAMES)}, or nothing",
        )
    return known


def _file(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise Damaged("too large")
        return path.read_bytes()
    except OSError as error:
        raise Damaged(f"its file can't be read: {error.strerror}") from error


def _kind(feature: Any) -> str | None:
    return feature.get("_type") if isinstance(feature, dict) else None


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _is_record(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    return _is_binary(kind.field("bytes").type) or pa.types.is_null(kind.field("bytes").type)


def _holds_bytes(kind: pa.DataType) -> bool:
    return _is_record(kind) or _is_binary(kind)
