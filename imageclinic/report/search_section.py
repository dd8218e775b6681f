"""What a hyperparameter search found: the numbers behind its charts, and its section as a page of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imageclinic.core.errors import InputError
from imageclinic.core.reading.json_files import read_json
from imageclinic.report import shapes, templates

_MARGIN = 6.0  # percent of a chart that stay free at its edges
_MOST_TICKS = 8


@dataclass(frozen=True)
class Point:
    """A trial: its place in percent of the chart from the left and from the top, how it ended, and what it was."""

    x: float
    y: float
    state: str
    title: str


@dataclass(frozen=True)
class Panel:
    """A chart of accuracies. `ticks`: (percent from the left, text); `ends`: the least and greatest accuracy;
    `line`: corners of the best accuracy so far, as SVG's points."""

    name: str
    points: list[Point]
    ticks: list[tuple[float, str]]
    ends: tuple[str, str]
    line: str = ""


@dataclass(frozen=True)
class Share:
    """How much a hyperparameter matters, in percent of the chart's width: share, interval, and chance."""

    name: str
    text: str
    share: float
    low: float
    high: float
    chance: float
    beyond_chance: bool


@dataclass(frozen=True)
class Search:
    """The section: sentences, charts, failed trials and the command."""

    words: list[str]
    history: Panel
    slices: list[Panel]
    shares: list[Share]
    failed: list[tuple[int, str]]
    counts: list[tuple[str, int]]
    command: str


def search(content: Mapping[str, Any]) -> Search:
    """The content of tuning.json as charts.

    Raises:
        KeyError, TypeError, ValueError: when it is not what ``imageclinic tune`` writes.
    """
    rows = [row for row in content["trials"] if row["val_accuracy"] is not None]
    values = [float(row["val_accuracy"]) for row in rows]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)

    def height(value: float) -> float:
        return _MARGIN + (100 - 2 * _MARGIN) * ((high - value) / (high - low) if high > low else 0.5)

    def panel(name: str, places: Sequence[float], ticks: list[tuple[float, str]], line: str = "") -> Panel:
        points = [
            Point(x, height(value), row["state"], f"trial {row['trial']}: {100 * value:.1f} %, {_options(row)}")
            for x, value, row in zip(places, values, rows, strict=True)
        ]
        return Panel(name, points, ticks, (f"{100 * low:.1f} %", f"{100 * high:.1f} %"), line)

    numbers = [float(row["trial"]) for row in rows]
    places, ticks = _scaled(numbers, False, whole=True)
    history = panel("trial", places, ticks, _best_so_far(rows, places, height))
    slices = []
    for name, part in content["space"].items():
        chosen = [row["options"][name] for row in rows]
        kinds = part.get("values")
        places, ticks = _scaled(chosen, bool(part["log"])) if kinds is None else _columns(chosen, kinds)
        slices.append(panel(name.replace("_", " "), places, ticks))
    return Search(
        words=[str(line) for line in content["words"]],
        history=history,
        slices=slices,
        shares=[_share(row) for row in content["importance"]["shares"]],
        failed=[(row["trial"], row["reason"] or row["state"]) for row in content["trials"] if row["state"] == "failed"],
        counts=[(state, n) for state, n in content["counts"].items() if n],
        command=content["command"],
    )


def page(content: Mapping[str, Any]) -> str:
    """The section as one self-contained HTML file."""
    return templates.render("search_page.html", name=Path(content["out"]).name, search=search(content))


def read(file: Path) -> tuple[Search | None, str]:
    """The search that a file holds, or why it can't be shown; neither when there is no file."""
    if not file.is_file():
        return None, ""
    try:
        return search(read_json(file, shapes.Tuning, fix="run imageclinic tune again")), ""
    except InputError as error:
        return None, f"{file.name} can't be shown: {error}"
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:  # its parts contradict each other
        return None, f"{file.name} can't be shown: {type(error).__name__}: {error}. Run imageclinic tune again."


def _best_so_far(rows: Sequence[Mapping[str, Any]], places: Sequence[float], height: Any) -> str:
    best = -math.inf
    corners: list[tuple[float, float]] = []
    for row, x in zip(rows, places, strict=True):
        if row["state"] == "finished" and row["val_accuracy"] > best:
            if corners:
                corners.append((x, height(best)))
            best = row["val_accuracy"]
            corners.append((x, height(best)))
    if corners:
        corners.append((max(places), height(best)))
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in corners)


def _scaled(values: Sequence[float], log: bool, *, whole: bool = False) -> tuple[list[float], list[tuple[float, str]]]:
    """Places along an axis, and its two ends."""
    scale = [math.log(value) if log else float(value) for value in values]
    low, high = (min(scale), max(scale)) if scale else (0.0, 0.0)
    span = high - low or 1.0
    places = [_MARGIN + (100 - 2 * _MARGIN) * (value - low) / span for value in scale]
    if not values:
        return [], []
    ends = {_MARGIN: min(values), 100 - _MARGIN: max(values)}
    return places, [(at, f"{value:.0f}" if whole else f"{value:.2g}") for at, value in ends.items()]


def _columns(values: Sequence[Any], kinds: Sequence[Any]) -> tuple[list[float], list[tuple[float, str]]]:
    """A column a kind. More than a few have no names below."""
    place = {kind: 100 * (i + 0.5) / len(kinds) for i, kind in enumerate(kinds)}
    ticks = [(place[kind], f"{kind:g}" if isinstance(kind, float) else str(kind)) for kind in kinds]
    return [place[value] for value in values], ticks[:_MOST_TICKS]


def _share(row: Mapping[str, Any]) -> Share:
    text = f"{100 * row['share']:.0f} % ({100 * row['low']:.0f} to {100 * row['high']:.0f})"
    share, low, high, chance = (100 * float(row[key]) for key in ("share", "low", "high", "chance"))
    clear = bool(row.get("beyond_chance", row.get("told")))  # format 1 called it `told`
    return Share(row["name"].replace("_", " "), text, share, low, high, chance, clear)  # `told` before format 2


def _options(row: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {f'{value:.2g}' if isinstance(value, float) else value}"
        for name, value in row["options"].items()
    )
