"""The numbers behind the report's charts: pure functions from tables to what the template draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from imageclinic.core.rows import lookup

MOST_CLASSES = 40
MOST_CONFUSED = 14


@dataclass(frozen=True)
class Bar:
    """One class: images per split, in the order of the splits, and as shares of the largest class."""

    label: str
    counts: list[int]
    shares: list[float]

    @property
    def total(self) -> int:
        """Images in all splits."""
        return sum(self.counts)


@dataclass(frozen=True)
class Distribution:
    """Classes, largest first; `left_out` of them, between the largest and the smallest, are not shown."""

    splits: list[str]
    bars: list[Bar]
    left_out: int


def distribution(dataset: pd.DataFrame, splits: pd.DataFrame) -> Distribution:
    """Images per given class and split (`splits`: image_id and split; others are in no split)."""
    label, labels = pd.factorize(dataset["label"].fillna("(no label)"), sort=True)
    of_image = lookup.values(dataset["image_id"], splits, "split")
    split, names = pd.factorize(of_image.fillna("no split"), sort=True)
    cells = np.bincount(label * len(names) + split, minlength=len(labels) * len(names))
    counts = pd.DataFrame(cells.reshape(len(labels), len(names)), index=labels, columns=names)
    order = [s for s in ("train", "val", "test") if s in counts]
    counts = counts[[*order, *(c for c in counts if c not in order)]]
    counts = counts.loc[counts.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    largest = int(counts.sum(axis=1).max()) if len(counts) else 1
    bars = [
        Bar(str(label), [int(n) for n in row], [int(n) / largest for n in row])
        for label, row in zip(counts.index, counts.to_numpy(), strict=True)
    ]
    left_out = max(0, len(bars) - MOST_CLASSES)
    if left_out:
        bars = bars[: MOST_CLASSES // 2] + bars[-MOST_CLASSES // 2 :]
    return Distribution([str(c) for c in counts.columns], bars, left_out)


@dataclass(frozen=True)
class Confusion:
    """How often `rows[i]` was given where `columns[j]` is suggested; `largest` count; findings not shown."""

    rows: list[str]
    columns: list[str]
    counts: list[list[int]]
    largest: int
    left_out: int


def confusion(findings: pd.DataFrame) -> Confusion | None:
    """Given × suggested label (columns `given, suggested_label`); None when nothing is suggested.

    Of many classes those with the most findings are shown.
    """
    pairs = findings.dropna(subset=["given", "suggested_label"])
    if pairs.empty:
        return None
    table = pd.crosstab(pairs["given"], pairs["suggested_label"])
    rows = sorted(table.sum(axis=1).nlargest(MOST_CONFUSED).index)
    columns = sorted(table.sum(axis=0).nlargest(MOST_CONFUSED).index)
    shown = table.loc[rows, columns]
    return Confusion(
        [str(r) for r in rows],
        [str(c) for c in columns],
        [[int(n) for n in row] for row in shown.to_numpy()],
        int(shown.to_numpy().max()),
        int(len(pairs) - shown.to_numpy().sum()),
    )


#: The original arm where others are judged without copies of test images.
WITH_LEAK = "original, with the leak"


@dataclass(frozen=True)
class Arm:
    """One arm of a comparison: means over seeds, and its difference to the original in points of accuracy.

    Positions are percent of the chart's width.
    """

    name: str
    n_train: int
    accuracy: float
    macro_f1: float
    seeds: list[float]
    delta: str
    at: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Arms under one set of test labels (original, reviewed). All charts share one axis, with 0 in its middle;
    `ends` are its ends."""

    labels: str
    arms: list[Arm]
    ends: tuple[str, str]


def comparisons(content: Mapping[str, Any]) -> list[Comparison]:
    """The content of comparison.json, one chart per set of test labels.

    Raises:
        KeyError, TypeError: when it is not what `compare` writes.
    """
    deltas = [delta for arm in content["delta"].values() for delta in arm.values()]
    ends = [d[key] for d in deltas for key in ("low", "estimate", "high") if d[key] is not None]
    reach = 1.1 * max(0.005, *map(abs, ends)) if ends else 0.01
    found = []
    for labels in ("original", "reviewed"):
        arms = [
            _arm(_named(name, content), arm, labels, content["delta"].get(name, {}).get(labels), reach)
            for name, arm in content["arms"].items()
            if labels in arm
        ]
        if arms:
            found.append(Comparison(labels, arms, (_points(-reach), _points(reach))))
    return found


def _named(name: str, content: Mapping[str, Any]) -> str:
    leaks = name == "original" and content.get("baseline", name) != name
    return WITH_LEAK if leaks else name.replace("_", " ")


def _arm(name: str, arm: Mapping[str, Any], labels: str, delta: Mapping[str, Any] | None, reach: float) -> Arm:
    def at(key: str) -> float | None:
        return None if delta is None or delta[key] is None else 50 + 50 * delta[key] / reach

    accuracy, macro_f1 = arm[labels]["accuracy"], arm[labels]["macro_f1"]
    return Arm(
        name=name,
        n_train=arm["n_train"],
        accuracy=sum(accuracy) / len(accuracy),
        macro_f1=sum(macro_f1) / len(macro_f1),
        seeds=accuracy,
        delta="" if name == WITH_LEAK else _delta(delta),
        at=at("estimate"),
        low=at("low"),
        high=at("high"),
    )


def _delta(delta: Mapping[str, Any] | None) -> str:
    if not delta:
        return "baseline"
    if delta["low"] is None:
        return _points(delta["estimate"])
    return f"{_points(delta['estimate'])} ({_points(delta['low'])} to {_points(delta['high'])})"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")
