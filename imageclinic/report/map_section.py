"""The map: where each image lies by its embedding, as JSON that the report's own script draws."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from imageclinic.core.rows import lookup
from imageclinic.report.sections import title
from imageclinic.report.thumbnails import Picture

#: Points in one report; of more images the flagged ones and a random sample of the others are shown.
MOST_POINTS = 20_000
#: Pictures that are embedded for the map alone: of flagged images, and of others.
MOST_PICTURES = 250
#: Positions are whole numbers up to this.
GRID = 4_000
#: What points are coloured by, in the order of the select.
COLOURS = {
    "check": "check",
    "given": "given label",
    "suggested": "suggested label",
    "decision": "decision",
    "split": "split",
}


def points(
    embedding_map: pd.DataFrame,
    dataset: pd.DataFrame,
    issues: pd.DataFrame,
    splits: pd.DataFrame,
    decisions: Mapping[str, str],
    order: Sequence[str],
    *,
    seed: int,
    most: int = MOST_POINTS,
) -> pd.DataFrame:
    """The images to draw, unflagged ones first, so that the flagged ones lie above them.

    Args:
        embedding_map: ``image_id, x, y``, with x and y in [0, 1].
        dataset: tables.DATASET.
        issues: tables.ISSUES.
        splits: image_id and split.
        decisions: image_id → what is decided.
        order: the checks, the most urgent first: an image gets the first that flagged it.
        seed: of the sample.
        most: see `MOST_POINTS`.

    Returns:
        ``image_id, x, y, given, suggested, check, decision, split``, null where there is none.
    """
    found = issues[issues["image_id"].notna()]
    rank = {check: n for n, check in enumerate(order)}
    first = found.assign(rank=found["check"].map(rank).fillna(len(rank)))
    first = first.sort_values(["rank", "score"], ascending=[True, False], kind="stable").drop_duplicates("image_id")
    suggested = found.dropna(subset=["suggested_label"]).drop_duplicates("image_id")
    shown = embedding_map[lookup.among(embedding_map["image_id"], dataset["image_id"])]
    if len(shown) > most:  # before anything is looked up
        flagged = lookup.among(shown["image_id"], first["image_id"])
        chance = np.random.default_rng(seed).random(len(shown)) - flagged  # flagged ones come first
        shown = shown.iloc[np.sort(np.argsort(chance, kind="stable")[:most])]
    shown = shown.reset_index(drop=True)
    ids = shown["image_id"]
    shown["given"] = lookup.values(ids, dataset, "label")
    shown["suggested"] = lookup.values(ids, suggested, "suggested_label")
    shown["check"] = lookup.values(ids, first, "check")
    shown["decision"] = ids.map(decisions)
    shown["split"] = lookup.values(ids, splits, "split")
    return shown.sort_values("check", key=lambda c: c.notna(), kind="stable", ignore_index=True)


def content(shown: pd.DataFrame, shown_elsewhere: frozenset[str], picture: Callable[[str], Picture]) -> dict[str, Any]:
    """What the template needs: the ``data`` for the script, and ``n`` and ``flagged``, counts of points.

    Args:
        shown: see `points`.
        shown_elsewhere: images whose pictures are in the report already: the script takes those.
        picture: a small picture of an image.
    """
    flagged = shown["check"].notna()
    by = {name: _coded(shown[name]) for name in COLOURS}
    by["suggested"] = _coded(shown["suggested"], by["given"]["values"])  # a label has one colour
    by["check"]["values"] = [title(check) for check in by["check"]["values"]]
    data = {
        "id": shown["image_id"].tolist(),
        "x": (shown["x"] * GRID).round().astype(int).tolist(),
        "y": (shown["y"] * GRID).round().astype(int).tolist(),
        "by": {name: {"name": words, **by[name]} for name, words in COLOURS.items()},
        "pictures": _pictures(shown, flagged, shown_elsewhere, picture),
    }
    return {"data": as_json(data), "n": len(shown), "flagged": int(flagged.sum()), "colours": COLOURS}


def as_json(data: Any) -> Markup:
    """JSON for a ``<script>`` of data: nothing in it can end the element or begin another."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 (escaped above)


def _coded(values: pd.Series, names: Sequence[str] = ()) -> dict[str, Any]:
    """The values (`names`, then others, the most frequent first), and of each point the number of its value, -1 for
    none."""
    frequent = [str(value) for value in values.dropna().astype(str).value_counts(sort=True).index]
    order = list(dict.fromkeys([*names, *frequent]))
    return {
        "values": order,
        "at": pd.Index(order, dtype="object").get_indexer(pd.Index(values, dtype="object")).tolist(),
    }


def _pictures(
    shown: pd.DataFrame, flagged: pd.Series, elsewhere: frozenset[str], picture: Callable[[str], Picture]
) -> dict[int, str]:
    """Position → picture, of a number of flagged images and of others, spread over all of each."""
    chosen: list[int] = []
    for kind in (flagged, ~flagged):
        there = np.flatnonzero(kind.to_numpy() & ~shown["image_id"].isin(elsewhere).to_numpy())
        spread = np.linspace(0, len(there) - 1, min(MOST_PICTURES, len(there))).round().astype(int)
        chosen += there[spread].tolist()
    ids: list[str] = shown["image_id"].tolist()
    found = {n: picture(ids[n]).uri for n in chosen}
    return {n: uri for n, uri in found.items() if uri}
