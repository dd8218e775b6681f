"""Every column of every table: name, type, range, meaning. Tables are validated when written and when read.

This module imports nothing of ours but the error types, and everything else may import it.
Frames are joined on ``image_id``, never by position.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import InputError

#: The eight orientations of the plane, in the order of the hash columns. ``rot90`` turns anticlockwise;
#: ``flip_*`` mirrors left-right first, then turns.
ORIENTATIONS = ("identity", "rot90", "rot180", "rot270", "flip", "flip_rot90", "flip_rot180", "flip_rot270")
OUTCOMES = ("found", "clean", "not_applicable", "skipped", "failed")
ACTIONS = ("keep", "drop", "relabel", "review")
DECISIONS = ("keep", "drop", "relabel", "unsure", "undo")
PAIR_KINDS = ("bytes", "pixels", "near")
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Column:
    """One column: its name, Arrow type, whether it may be null, its range or choices, and its meaning."""

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table: its file in the run folder, what a row is, its columns, and the columns that identify a row."""

    name: str
    file: str
    row: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the file."""
        return pa.schema([pa.field(c.name, c.type, c.nullable) for c in self.columns])

    @property
    def names(self) -> list[str]:
        """Column names, in order."""
        return [c.name for c in self.columns]


_ID = Column("image_id", pa.string(), "POSIX path relative to the dataset's root; other bytes escaped as \\xNN")

DATASET = Table(
    "dataset",
    "dataset.parquet",
    "image file",
    (
        _ID,
        Column("label", pa.string(), "given class; null when unlabelled", nullable=True),
        Column("split", pa.string(), "the split that the dataset came with", nullable=True),
        Column("group", pa.string(), "person, patient, camera: never divided between splits", nullable=True),
        Column("bytes", pa.int64(), "file size in bytes", low=0),
        Column("mtime_ns", pa.int64(), "modification time, nanoseconds since 1970"),
        Column("sha256", pa.string(), "hash of the file's bytes; null when it could not be read", nullable=True),
        Column("format", pa.string(), "format by content (JPEG, PNG, …); null if unknown", nullable=True),
        Column("width", pa.int64(), "pixels, as stored (EXIF orientation not applied)", nullable=True, low=1),
        Column("height", pa.int64(), "pixels, as stored (EXIF orientation not applied)", nullable=True, low=1),
        Column("mode", pa.string(), "pixel layout in Pillow's terms (L, RGB, CMYK, …)", nullable=True),
        Column("read_error", pa.string(), "why the image can't be decoded; null when it can", nullable=True),
    ),
    ("image_id",),
)

FEATURES = Table(
    "features",
    "features.parquet",
    "readable image",
    (
        _ID,
        *(
            Column(f"phash_{o}", pa.uint64(), f"64-bit perceptual hash (imagehash.phash) of the image, {o}")
            for o in ORIENTATIONS
        ),
        Column("pixel_hash", pa.uint64(), "xxh3 of size and decoded (scaled) pixels: equal for equal pictures"),
        Column("luminance_mean", pa.float32(), "mean perceived brightness", low=0, high=1),
        Column("luminance_p05", pa.float32(), "5th percentile of perceived brightness", low=0, high=1),
        Column("luminance_p99", pa.float32(), "99th percentile of perceived brightness", low=0, high=1),
        Column("contrast", pa.float32(), "standard deviation of perceived brightness", low=0, high=1),
        Column("entropy", pa.float32(), "entropy of the 256-bin grey histogram, in bits", low=0, high=8),
        Column(
            "sharpness",
            pa.float32(),
            "variance of the Laplacian of the grey picture at 64 pixels, over its variance; 0 for a flat picture",
            low=0,
        ),
        Column("colour", pa.float32(), "99th percentile of max − min over the channels", low=0, high=1),
    ),
    ("image_id",),
)

NEIGHBORS = Table(
    "neighbors",
    "neighbors.parquet",
    "pair of copies",
    (
        _ID,
        Column("other_id", pa.string(), "the other image of the pair; image_id < other_id"),
        Column("kind", pa.string(), "same bytes, same pixels, or near copies", choices=PAIR_KINDS),
        Column("distance", pa.int64(), "Hamming distance of the 64-bit hashes, in bits", low=0, high=64),
        Column("transform", pa.string(), "what turns other_id into image_id", choices=ORIENTATIONS),
        Column(
            "similarity",
            pa.float32(),
            "correlation of the detail of the two pictures after alignment",
            low=-1,
            high=1,
        ),
    ),
    ("image_id", "other_id"),
)

CLUSTERS = Table(
    "clusters",
    "clusters.parquet",
    "image in any pair or group",
    (
        _ID,
        Column("cluster", pa.string(), "every two members are copies of each other; null if none", nullable=True),
        Column("split_group", pa.string(), "connected component over all pairs and the group column"),
    ),
    ("image_id",),
)

SPLIT_TABLE = Table(
    "splits",
    "splits.parquet",
    "labelled image",
    (_ID, Column("split", pa.string(), "frozen before any decision", choices=SPLITS)),
    ("image_id",),
)

ISSUES = Table(
    "issues",
    "issues.parquet",
    "finding",
    (
        Column("check", pa.string(), "name of the check"),
        Column("image_id", pa.string(), "null for a finding about the dataset or a class", nullable=True),
        Column("label", pa.string(), "the class, for findings about a class", nullable=True),
        Column("score", pa.float64(), "1 = worst; comparable within a check only", low=0, high=1),
        Column("cluster", pa.string(), "cluster of copies that the finding is about", nullable=True),
        Column("suggested_action", pa.string(), "copies say review: survivors are chosen later", choices=ACTIONS),
        Column("suggested_label", pa.string(), "for relabel", nullable=True),
        Column("evidence", pa.string(), "one sentence with the number that decided"),
    ),
)

RERANK = Table(
    "rerank",
    "rerank-0001.parquet",
    "labelled image",
    (
        _ID,
        Column("label_quality", pa.float64(), "with the decisions so far; 0 = worst", low=0, high=1),
        Column("suggested_label", pa.string(), "likeliest class; null when it is the label held now", nullable=True),
    ),
    ("image_id",),
)

DECISION_LOG = Table(
    "decisions",
    "decisions.csv",
    "event, append-only",
    (
        Column("decision_id", pa.string(), "unique"),
        Column("batch", pa.string(), "decisions made by one action share it; undo takes back a batch"),
        _ID,
        Column("sha256", pa.string(), "content that was judged: decisions follow it to a re-audit", nullable=True),
        Column("given_label", pa.string(), "label at the time", nullable=True),
        Column("decision", pa.string(), "what was decided", choices=DECISIONS),
        Column("label", pa.string(), "new label, for relabel", nullable=True),
        Column("confirmed", pa.string(), "checks found right, joined by ';'", nullable=True),
        Column("rejected", pa.string(), "checks found wrong, joined by ';'", nullable=True),
        Column("score", pa.float64(), "the finding's score when it was decided", nullable=True, low=0, high=1),
        Column("sample", pa.string(), "how the image came up", choices=("ranked", "random")),
        Column("stratum", pa.string(), "score band, for random samples", nullable=True),
        Column("inclusion_prob", pa.float64(), "for random samples", nullable=True, low=0, high=1),
        Column("reviewer", pa.string(), "a person, or policy:<name>"),
        Column("decided_at", pa.string(), "UTC, ISO 8601"),
        Column("note", pa.string(), "free text", nullable=True),
    ),
    ("decision_id",),
)

MANIFEST = Table(
    "manifest",
    "manifest.csv",
    "exported image",
    (
        _ID,
        Column("path", pa.string(), "POSIX path relative to the export"),
        Column("label", pa.string(), "class after cleaning"),
        Column("original_label", pa.string(), "class before cleaning", nullable=True),
        Column("split", pa.string(), "train, val or test", choices=SPLITS),
        Column("split_group", pa.string(), "images that must share a split"),
        Column("sha256", pa.string(), "hash of the exported file's bytes"),
        Column("decision", pa.string(), "keep, relabel, or null when undecided", nullable=True),
    ),
    ("image_id",),
)

TABLES: Mapping[str, Table] = {
    t.name: t for t in (DATASET, FEATURES, NEIGHBORS, CLUSTERS, SPLIT_TABLE, ISSUES, RERANK, DECISION_LOG, MANIFEST)
}

_SURROGATE = re.compile("[\udc80-\udcff]")
_ESCAPE = re.compile(r"\\(\\|x[0-9a-f]{2})")


def to_image_id(relative: str) -> str:
    r"""Escape a path (as ``os.fsdecode`` gives it) into valid Unicode, reversibly: bytes that are not UTF-8
    become ``\xNN`` and a backslash becomes two."""
    return _SURROGATE.sub(lambda m: f"\\x{ord(m[0]) - 0xDC00:02x}", relative.replace("\\", "\\\\"))


def to_path(image_id: str) -> str:
    """Undo `to_image_id`."""
    return _ESCAPE.sub(
        lambda m: "\\" if m[1] == "\\" else chr(0xDC00 + int(m[1][1:], 16)),
        image_id,
    )


def frame(table: Table, **columns: Any) -> pd.DataFrame:
    """Build a validated frame of `table` from columns; scalars are repeated, missing nullable columns are null."""
    lengths = {len(v) for v in columns.values() if not isinstance(v, str) and hasattr(v, "__len__")}
    n = lengths.pop() if lengths else 0
    data = {}
    for column in table.columns:
        value = columns.get(column.name)
        if value is None or isinstance(value, str) or not hasattr(value, "__len__"):
            value = [value] * n
        data[column.name] = list(value) if isinstance(value, pd.Series) else value
    return validate(pd.DataFrame(data), table)


def empty(table: Table) -> pd.DataFrame:
    """A frame of `table` without rows."""
    return _to_pandas(table.schema.empty_table(), table)


def validate(data: pd.DataFrame, table: Table, *, where: str = "") -> pd.DataFrame:
    """Return `data` as a frame of exactly `table`'s columns, order and types.

    Raises:
        InputError: naming the table (and `where`, a file), the column and the value that does not fit.
    """
    at = f"{where}: " if where else ""
    missing = [name for name in table.names if name not in data.columns]
    if missing:
        raise InputError(
            f"{at}table {table.name} lacks the columns {', '.join(missing)}",
            expected=f"the columns {', '.join(table.names)}",
        )
    arrays = []
    for column in table.columns:
        try:
            array = pa.Array.from_pandas(data[column.name], type=column.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise InputError(f"{at}column {table.name}.{column.name}: {error}", expected=str(column.type)) from error
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        arrays.append(array)
    arrow = pa.Table.from_arrays(arrays, schema=table.schema)
    _check_ranges(arrow, table, at)
    return _to_pandas(arrow, table)


def write(path: Path, data: pd.DataFrame, table: Table, metadata: Mapping[str, str] | None = None) -> None:
    """Validate `data` and write it to `path` as Parquet: under a temporary name, then renamed."""
    valid = validate(data, table, where=str(path))
    arrow = pa.Table.from_pandas(valid, schema=table.schema, preserve_index=False)
    _write_arrow(path, arrow, metadata)


def read(path: Path, table: Table) -> pd.DataFrame:
    """Read and validate the Parquet file at `path`.

    Raises:
        InputError: when the file is missing, is no Parquet file, or holds another table.
    """
    return validate(_read_arrow(path).to_pandas(), table, where=str(path))


def write_vectors(
    path: Path,
    columns: Mapping[str, Any],
    name: str,
    vectors: npt.NDArray[Any],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write `columns` (one value a row) and `vectors`, of shape (rows, width), as a fixed-size list column `name`
    of their dtype."""
    flat = pa.array(np.ascontiguousarray(vectors).ravel())
    lists = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    _write_arrow(path, pa.table({**{k: pa.array(v) for k, v in columns.items()}, name: lists}), metadata)


def read_vectors(path: Path, name: str) -> tuple[pd.DataFrame, npt.NDArray[Any]]:
    """Read what `write_vectors` wrote: the other columns as a frame, and the vectors, (rows, width).

    Raises:
        InputError: when the file is missing or has no such column.
    """
    arrow = _read_arrow(path)
    if name not in arrow.column_names or not pa.types.is_fixed_size_list(arrow.schema.field(name).type):
        raise InputError(f"{path} has no column {name} of fixed-size lists", expected=f"a file with {name}")
    column = arrow.column(name).combine_chunks()
    width = arrow.schema.field(name).type.list_size
    values = column.flatten().to_numpy(zero_copy_only=False)
    return arrow.drop_columns([name]).to_pandas(), values.reshape(-1, width)


def metadata(path: Path) -> dict[str, str]:
    """The key-value metadata that was written with the table at `path`; empty when there is no such file."""
    if not path.is_file():
        return {}
    raw = pq.read_schema(path).metadata or {}
    return {k.decode(): v.decode() for k, v in raw.items() if k not in (b"pandas", b"ARROW:schema")}


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; on success it is synced and renamed to `path`, else removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    target = Path(temporary)
    try:
        yield target
        with target.open("rb") as file:
            os.fsync(file.fileno())
        target.chmod(0o644)
        target.replace(path)
    finally:
        target.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON: under a temporary name, then renamed."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False) + "\n", "utf-8")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8: under a temporary name, then renamed."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


# Cells that begin so are run as formulas by spreadsheets. See OWASP, "CSV Injection". A quote is in the list
# because it marks an escaped cell, so that escaping can be undone.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def escape_cell(value: str) -> str:
    """Put a quote before a cell that a spreadsheet would run as a formula."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def unescape_cell(value: str) -> str:
    """Undo `escape_cell`."""
    return value[1:] if value.startswith("'") and value[1:].startswith(_FORMULA) else value


def write_csv(path: Path, data: pd.DataFrame, table: Table) -> None:
    """Validate `data` and write it as CSV, cells escaped against spreadsheet formulas, then renamed."""
    valid = validate(data, table, where=str(path))
    for column in table.columns:
        if pa.types.is_string(column.type):
            valid[column.name] = valid[column.name].map(escape_cell, na_action="ignore")
    with replacing(path) as temporary:
        # Everything but numbers is quoted: pandas would leave a bare carriage return bare, and read it as a new row.
        valid.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)


def read_csv(path: Path, table: Table) -> pd.DataFrame:
    """Read and validate what `write_csv` wrote. Raises InputError when the file is missing or does not fit."""
    try:
        data = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path} is missing", expected=f"the table {table.name}") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no readable CSV file: {error}", expected=f"the table {table.name}") from error
    for column in table.columns:
        if column.name not in data.columns:
            continue
        if pa.types.is_string(column.type):
            data[column.name] = data[column.name].map(unescape_cell, na_action="ignore")
        else:
            try:
                data[column.name] = pd.to_numeric(data[column.name])
            except ValueError as error:
                raise InputError(f"{path}, column {column.name}: {error}", expected="numbers") from error
    return validate(data, table, where=str(path))


def _write_arrow(path: Path, arrow: pa.Table, metadata: Mapping[str, str] | None) -> None:
    kept = {k: v for k, v in (arrow.schema.metadata or {}).items() if k != b"pandas"}
    arrow = arrow.replace_schema_metadata({**kept, **(metadata or {})})
    with replacing(path) as temporary:
        pq.write_table(arrow, temporary, compression="zstd")


def _read_arrow(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except FileNotFoundError:
        raise InputError(f"{path} is missing", fix="run imageclinic audit first") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is no readable Parquet file: {error}", fix="delete it and audit again") from error


def _to_pandas(arrow: pa.Table, table: Table) -> pd.DataFrame:
    data = arrow.to_pandas()
    for column in table.columns:
        if pa.types.is_integer(column.type) and column.nullable:
            data[column.name] = arrow.column(column.name).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
        elif pa.types.is_string(column.type):
            data[column.name] = data[column.name].astype("str")
    return data


def _check_ranges(arrow: pa.Table, table: Table, at: str) -> None:
    for column in table.columns:
        values = arrow.column(column.name)
        name = f"{at}column {table.name}.{column.name}"
        if not column.nullable and values.null_count:
            raise InputError(f"{name} has {values.null_count} empty cells", expected="a value in every row")
        if column.choices:
            bad = sorted(set(values.drop_null().unique().to_pylist()) - set(column.choices))
            if bad:
                raise InputError(f"{name} holds {bad[0]!r}", expected=f"one of {', '.join(column.choices)}")
        if column.low is not None or column.high is not None:
            numbers = values.drop_null().to_numpy()
            low = -np.inf if column.low is None else column.low
            high = np.inf if column.high is None else column.high
            wrong = ~((numbers >= low) & (numbers <= high))
            if wrong.any():
                raise InputError(f"{name} holds {numbers[wrong][0]}", expected=f"a number from {low} to {high}")
    if table.key and arrow.num_rows:
        keys = arrow.select(list(table.key)).to_pandas()
        twice = keys[keys.duplicated()]
        if len(twice):
            value = ", ".join(map(str, twice.iloc[0]))
            raise InputError(f"{at}table {table.name} has two rows for {value!r}", expected="one")


@dataclass(frozen=True)
class Embeddings:
    """embeddings.parquet: one row per readable image. `vectors` is float32 of shape (images, width)."""

    image_id: pd.Series
    vectors: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Predictions:
    """predictions.parquet: one row per readable, labelled image.

    `rows` has image_id, fold and label_quality (in [0, 1], 0 = worst); `pred_probs` is float32 of shape
    (images, classes): the out-of-fold probability of the *given* label's classes, rows sum to 1.
    """

    rows: pd.DataFrame
    pred_probs: npt.NDArray[np.float32]
    classes: tuple[str, ...]
