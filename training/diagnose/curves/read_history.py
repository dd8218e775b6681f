"""Histories of a training run, whoever wrote them → one frame: of CSVLogger, of our metrics.json, of `fit`."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from imageclinic.core.errors import InputError

#: A file, a frame, or what Keras's `fit` returns in `.history`: name → one number an epoch.
Source: TypeAlias = str | Path | pd.DataFrame | Mapping[str, Sequence[float]]

#: Our name of a curve → the names that Keras gives it, the first that is there counts.
NAMES: dict[str, tuple[str, ...]] = {
    "loss": ("loss",),
    "val_loss": ("val_loss",),
    "accuracy": ("accuracy", "acc", "sparse_categorical_accuracy", "categorical_accuracy", "binary_accuracy"),
    "val_accuracy": (
        "val_accuracy",
        "val_acc",
        "val_sparse_categorical_accuracy",
        "val_categorical_accuracy",
        "val_binary_accuracy",
    ),
    "learning_rate": ("learning_rate", "lr"),
}
# CSVLogger writes NA for what an epoch lacks (validation that was not run); a loss that is no number is "nan".
_MISSING = {"", "NA", "None"}


def read(source: Source) -> pd.DataFrame:
    """A history as a frame with one row an epoch, in order.

    Args:
        source: a ``.csv`` as `keras.callbacks.CSVLogger` writes it, a ``.json`` that holds a history (such as the
            ``metrics.json`` of ``imageclinic train``), a frame, or a mapping of names to lists.

    Returns:
        float64 columns named as in `NAMES`: ``loss``, and whichever of the others are there. The index counts
        epochs from 1. Epochs that lack a value are left out; a value may be NaN or infinite where training was.

    Raises:
        InputError: no such file, no column ``loss``, a cell that is no number, an accuracy outside [0, 1], more
            than one run, or no epoch.
    """
    raw, what = _raw(source)
    raw = raw.rename(columns=lambda name: str(name).strip())
    found = {ours: next((n for n in names if n in raw.columns), None) for ours, names in NAMES.items()}
    if found["loss"] is None:
        raise InputError(
            f"{what} has no column 'loss', only {', '.join(map(repr, raw.columns)) or 'none'}",
            expected="a history with 'loss' and, to say more, 'val_loss', 'accuracy', 'val_accuracy', 'learning_rate'",
            fix="write it with keras.callbacks.CSVLogger('history.csv')",
        )
    frame = pd.DataFrame(
        {ours: _numbers(raw[theirs], what) for ours, theirs in found.items() if theirs is not None}, dtype=object
    )
    if "epoch" in raw.columns:
        _one_run(_numbers(raw["epoch"], what), what)
    frame.index = pd.RangeIndex(1, len(frame) + 1, name="epoch")
    # A run that broke down has no validation in its last epoch: that epoch is the finding, so it stays.
    broken = frame.map(lambda v: v is not None and not math.isfinite(v)).any(axis=1)
    frame = frame[broken | frame.notna().all(axis=1)].astype(np.float64)
    if frame.empty:
        raise InputError(f"{what} has no complete epoch", expected="at least one row with a number in each column")
    for name in ("accuracy", "val_accuracy"):
        if name in frame and ((frame[name] < 0) | (frame[name] > 1)).any():
            worst = frame[name].max() if (frame[name] > 1).any() else frame[name].min()
            raise InputError(
                f"{what}: {name} is {worst:g}", expected="numbers from 0 to 1", fix="divide percentages by 100"
            )
    return frame


def _raw(source: Source) -> tuple[pd.DataFrame, str]:
    if isinstance(source, pd.DataFrame):
        return source.reset_index(drop=True), "the history"
    if isinstance(source, Mapping):
        return _columns(source, "the history"), "the history"
    path = Path(source)
    try:
        if path.suffix.lower() == ".json":
            value = json.loads(path.read_text("utf-8"))
            inner = value.get("history", value) if isinstance(value, dict) else None
            if not isinstance(inner, dict):
                raise InputError(f"{path} holds no history", expected="an object of lists, by name")
            return _columns(inner, str(path)), str(path)
        return pd.read_csv(path, dtype=str, keep_default_na=False), str(path)
    except (OSError, ValueError, RecursionError, pd.errors.ParserError) as error:
        raise InputError(f"{path} can't be read: {error}", expected="a history as .csv or .json") from error


def _columns(value: Mapping[str, Any], what: str) -> pd.DataFrame:
    lists = {name: list(v) for name, v in value.items() if isinstance(v, (list, tuple, np.ndarray))}
    lengths = {name: len(v) for name, v in lists.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"the lists of {what} differ in length: {lengths}", expected="one number an epoch in each")
    return pd.DataFrame(lists, dtype=object)


def _numbers(column: pd.Series, what: str) -> list[float | None]:
    numbers: list[float | None] = []
    for row, cell in enumerate(column, start=1):
        if cell is None or cell is pd.NA or (isinstance(cell, str) and cell.strip() in _MISSING):
            numbers.append(None)
            continue
        try:
            numbers.append(float(cell))
        except (TypeError, ValueError):
            raise InputError(f"{what}: {column.name} is {cell!r} in row {row}", expected="a number") from None
    return numbers


def _one_run(epochs: list[float | None], what: str) -> None:
    known = [e for e in epochs if e is not None]
    for before, after in itertools.pairwise(known):
        if after <= before:
            raise InputError(
                f"{what}: epoch {before:g} is followed by epoch {after:g}",
                expected="the epochs of one run, rising",
                fix="write each run to its own file (CSVLogger with append=False)",
            )
