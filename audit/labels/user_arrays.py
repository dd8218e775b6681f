"""Embeddings and class probabilities that a user brings, checked hard before anything is built on them.

- **Embeddings**: Parquet (or a frame) with the columns ``image_id`` and ``embedding`` (lists of one length); or
  NumPy ``.npz`` with the arrays ``image_id`` (n,) and ``embedding`` (n, d).
- **Probabilities**: Parquet, CSV (or a frame) with ``image_id`` and one column a class; or ``.npz`` with ``image_id``
  (n,), ``pred_probs`` (n, classes) and ``classes`` (classes,).

Rows may come in any order, and so may classes, because both are named. Nothing is unpickled.
"""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from imageclinic.audit.labels import confident_learning
from imageclinic.audit.labels.brought import user_tables
from imageclinic.core.errors import InputError
from imageclinic.core.large import large_arrays
from imageclinic.core.naming.wording import few
from imageclinic.core.rows import lookup

Source: TypeAlias = user_tables.Source
_NAMED = 3  # ids that a message names
#: Rows of a file that are looked at together.
_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Given:
    """Numbers that a user gave, one row an image."""

    where: str
    """The file, for messages."""
    image_id: pa.Array
    """large_string, each id once: a Python string for each of millions would take more memory than the numbers."""
    values: npt.NDArray[np.floating]
    """(images, width), finite. Large ones are in a file, see `core.large.large_arrays`."""
    classes: tuple[str, ...] = ()
    """Of probabilities: the classes of the columns."""

    @functools.cached_property
    def digest(self) -> str:
        """Hash of the content."""
        digest = xxhash.xxh3_128("\0".join((*self.classes, "")).encode("utf-8", "surrogatepass"))
        for at in range(0, len(self.image_id), _AT_ONCE):
            names = self.image_id[at : at + _AT_ONCE].to_pylist()
            digest.update("".join(f"\0{name}" for name in names).encode("utf-8", "surrogatepass"))
        size = large_arrays.rows_at_once(self.values.shape[1], self.values.dtype)
        for at in range(0, len(self.values), size):
            digest.update(np.ascontiguousarray(self.values[at : at + size]).data)
        return digest.hexdigest()

    def rows(self, image_id: pd.Series) -> npt.NDArray[np.floating]:
        """The values of these images, in their order, not to be changed. Raises InputError when some have none; names
        the first."""
        at = lookup.places(image_id, self.image_id)
        if (at < 0).any():
            raise InputError(
                f"{self.where} lacks {_some(image_id[at < 0])}",
                expected="a row for every readable image (for probabilities: that has a label)",
                fix="compute the rest, or audit without the file",
            )
        if len(at) == len(self.values) and (at == np.arange(len(at))).all():
            return self.values
        return large_arrays.chosen(self.values, at)


def embeddings(source: Source, images: pd.DataFrame) -> Given:
    """Read embeddings.

    Args:
        source: see this module's text.
        images: the dataset's images, with the column image_id.

    Returns:
        float32 values. float16 will do here: distances bear rounding.

    Raises:
        InputError: no such file, a wrong format or column, lists of several lengths, numbers that are not finite,
            an image twice, or one that the dataset does not have.
    """
    where = _where(source, "embeddings")
    if isinstance(source, pd.DataFrame) or Path(source).suffix.lower() in (".parquet", ".pq"):
        ids, values = user_tables.vectors(source, where)
    elif Path(source).suffix.lower() == ".npz":
        arrays = _npz(Path(source), ("image_id", "embedding"))
        ids, values = arrays["image_id"].tolist(), arrays["embedding"]
        if values.ndim != 2 or not values.shape[1] or values.dtype.kind not in "fiu":
            raise InputError(
                f"{where}: embedding is {values.dtype} of shape {values.shape}", expected="numbers, (n, d)"
            )
    else:
        raise InputError(f"{where} is no file of embeddings", expected="a .parquet or .npz file")
    with np.errstate(over="ignore"):
        values = values.astype(np.float32, copy=False)
    index = _checked_ids(ids, len(values), images, where)
    size = large_arrays.rows_at_once(values.shape[1], values.dtype)
    bad = np.concatenate(
        [~np.isfinite(values[at : at + size]).all(axis=1) for at in range(0, len(values), size)] or [np.empty(0, bool)]
    )
    if bad.any():
        raise InputError(
            f"{where} has NaN or infinity for {_some(index.filter(pa.array(bad)))}", expected="finite numbers"
        )
    return Given(where, index, values)


def pred_probs(source: Source, images: pd.DataFrame) -> Given:
    """Read out-of-fold probabilities of the given labels.

    That no model saw the image that it judges can't be checked here: without it few wrong labels are found.

    Args:
        source: see this module's text.
        images: the dataset's images, with the columns image_id and label.

    Returns:
        float64 values that sum to 1 in every row, and their classes, sorted.

    Raises:
        InputError: no such file, a wrong format, float16 (its steps tie what must be ranked), a class that the
            dataset does not have or one that is missing, rows that are negative, hold NaN or don't sum to 1, an
            image twice, or one that the dataset does not have.
    """
    where = _where(source, "pred_probs")
    if isinstance(source, pd.DataFrame) or Path(source).suffix.lower() in (".parquet", ".pq", ".csv"):
        ids, values, classes = _columns(source, where)
    elif Path(source).suffix.lower() == ".npz":
        arrays = _npz(Path(source), ("image_id", "pred_probs", "classes"))
        ids, values = arrays["image_id"].tolist(), arrays["pred_probs"]
        classes = [str(c) for c in arrays["classes"].ravel()]
        if values.dtype.kind != "f" or values.shape != (len(ids), len(classes)):
            raise InputError(
                f"{where}: pred_probs is {values.dtype} of shape {values.shape}",
                expected=f"floats, ({len(ids)}, {len(classes)}): images × classes",
            )
    else:
        raise InputError(f"{where} is no file of probabilities", expected="a .parquet, .csv or .npz file")
    if values.dtype == np.float16:
        raise InputError(
            f"{where} holds float16, whose steps tie what must be ranked",
            expected="float32 or float64",
            fix="predict again and store what the model gives; widening these numbers won't bring the ranks back",
        )
    _check_classes(classes, images, where)
    index = _checked_ids(ids, len(values), images, where)
    values = values.astype(np.float64)
    confident_learning.check_probs(values, len(index), len(classes), names=index.to_pylist(), where=where)
    order = np.argsort(classes)
    values = values[:, order] / values.sum(axis=1, keepdims=True)
    return Given(where, index, values, tuple(classes[i] for i in order))


def _where(source: Source, name: str) -> str:
    return f"the frame {name}" if isinstance(source, pd.DataFrame) else str(source)


def _some(ids: pd.Index | pd.Series | pa.Array) -> str:
    if isinstance(ids, pa.Array):  # of millions no more strings are made than are named
        return few([*ids[: _NAMED + 1].to_pylist(), *[""] * (len(ids) - _NAMED - 1)], _NAMED)
    return few([str(i) for i in ids], _NAMED)


def _checked_ids(ids: list[Any] | pa.Array, rows: int, images: pd.DataFrame, where: str) -> pa.Array:
    """The ids as large_string, every one a string, once, and of this dataset."""
    if len(ids) != rows:
        raise InputError(f"{where} has {len(ids)} image ids and {rows} rows", expected="one an image")
    if not isinstance(ids, pa.Array):
        wrong = [i for i in ids if not isinstance(i, str)]
        if wrong:
            raise InputError(
                f"{where} has the image_id {wrong[0]!r}", expected="text: the path below the dataset's root"
            )
        # What is no Unicode is no id of ours: any other text says so below.
        ids = pa.array([i.encode("utf-8", "replace").decode("utf-8") for i in ids], pa.large_string())
    known = lookup.among(ids, images["image_id"])
    if not known.any():
        raise InputError(
            f"{where} is of another dataset: it has {_some(ids) or 'no images'}; "
            f"this dataset has {_some(images['image_id'])}",
            expected="the image_ids of this dataset: paths below its root",
        )
    if not known.all():
        raise InputError(
            f"{where} has {(~known).sum():,} images that the dataset does not have: "
            f"{_some(ids.filter(pa.array(~known)))}",
            expected="the images of this dataset",
            fix="take them out, or make the file again",
        )
    if len(ids.unique()) < len(ids):
        counts = ids.value_counts()
        twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        raise InputError(f"{where} has two rows for {_some(twice)}", expected="one")
    return ids


def _check_classes(classes: Sequence[str], images: pd.DataFrame, where: str) -> None:
    twice = sorted({c for c in classes if list(classes).count(c) > 1}) if len(set(classes)) < len(classes) else []
    if twice:
        raise InputError(f"{where} has the class {twice[0]!r} twice", expected="each class once")
    labelled = set(images["label"].dropna())
    for problem, names in (
        ("has columns for classes that no image has", sorted(set(classes) - labelled)),
        ("lacks columns for the classes", sorted(labelled - set(classes))),
    ):
        if names:
            raise InputError(
                f"{where} {problem}: {_some(pd.Index(names))}",
                expected=f"one for each of the {len(labelled)} classes, named like {_some(pd.Index(sorted(labelled)))}",
            )


def _columns(source: Source, where: str) -> tuple[list[Any], npt.NDArray[Any], list[str]]:
    """Ids, probabilities and classes of a table with one column a class."""
    if not isinstance(source, pd.DataFrame) and Path(source).suffix.lower() == ".csv":
        try:
            # Empty cells stay text, which is refused below by name.
            table = pd.read_csv(source, dtype={"image_id": "str"}, na_filter=False, encoding="utf-8-sig")
        except FileNotFoundError:
            raise InputError(f"there is no file {where}") from None
        except (OSError, ValueError) as error:
            raise InputError(
                f"{where} can't be read: {str(error).strip()}", expected="a CSV file with a header"
            ) from error
    else:
        table = user_tables.arrow(source, where).to_pandas()
    table.columns = [str(name) for name in table.columns]
    user_tables.require(list(table.columns), ("image_id",), where)
    classes = [name for name in table.columns if name != "image_id"]
    values = table[classes]
    for name, kind in values.dtypes.items():
        if kind == np.float16:
            return table["image_id"].tolist(), values.to_numpy(np.float16), classes
        if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind):
            texts = values[name].astype("str")
            bad = texts[pd.to_numeric(texts, errors="coerce").isna()]
            raise InputError(
                f"{where}, column {name!r}: {(bad if len(bad) else texts).iloc[0]!r} is no number",
                expected="image_id, and one column of probabilities a class",
            )
    return table["image_id"].tolist(), values.to_numpy(np.float64), classes


def _npz(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Arrays of a NumPy file, without unpickling anything."""
    try:
        with np.load(path, allow_pickle=False) as file:
            user_tables.require(list(file.files), names, str(path))
            arrays = {name: file[name] for name in names}
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        pickled = "allow_pickle" in str(error)
        raise InputError(
            f"{path} holds Python objects, which are not loaded: they could run code"
            if pickled
            else f"{path} can't be read: {error}",
            expected=f"the arrays {', '.join(names)}",
            fix="store ids and classes as text: np.array(names, dtype=str)" if pickled else "",
        ) from error
    for name in ("image_id", "classes"):
        if name in arrays and arrays[name].ndim != 1:
            raise InputError(f"{path}: {name} has the shape {arrays[name].shape}", expected="(n,)")
    return arrays
