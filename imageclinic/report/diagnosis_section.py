"""The numbers behind the diagnosis's chart: pure functions from diagnosis.json to what the template draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imageclinic.report import sections

_LEAST = 0.02  # share of accuracy that the axis reaches at least, to both sides


@dataclass(frozen=True)
class Bar:
    """One cause. `at, low, high`: percent of the chart's width, None without an estimate; `zero`: where no gain is.
    `rank`: from 1, None for what no gain is shown for."""

    name: str
    rank: int | None
    gain: str
    evidence: str
    remedy: str
    zero: float
    at: float | None
    low: float | None
    high: float | None


def current_format(content: Mapping[str, Any]) -> dict[str, Any]:
    """diagnosis.json as this version writes it, format 2: format 1 called `not_tested` `not_looked_at`."""
    if "not_tested" in content:
        return dict(content)
    return {**content, "not_tested": content.get("not_looked_at"), "format": 2}


def bars(content: Mapping[str, Any]) -> list[Bar]:
    """The causes in their order, then the changes that no gain is shown for, the likeliest of each cause.

    Raises:
        KeyError, TypeError: when it is not what `diagnose` writes.
    """
    ranked = [cause["cause"] for cause in content["causes"]]
    effects = [effect for found in content["experiments"].values() for effect in found["effects"]]
    best: dict[str, Mapping[str, Any]] = {}
    for cause in content["causes"]:
        points = {"gain": cause["estimated_gain"], "low": cause["low"], "high": cause["high"]}
        points["severity"] = cause.get("severity")
        best[cause["cause"]] = {**cause, **{k: None if v is None else v / 100 for k, v in points.items()}}
    for effect in sorted(effects, key=lambda e: -1.0 if e["gain"] is None else -e["gain"]):
        best.setdefault(effect["cause"], effect)
    ends = [e[k] for e in best.values() for k in ("gain", "high") if e[k] is not None]
    right = 1.05 * max([_LEAST, *ends])
    left = 1.05 * min([-_LEAST, *(e["low"] for e in best.values() if e["low"] is not None)])
    left = max(left, -right)  # a wide interval below zero is cut off: it says that nothing is known
    return [_bar(name, effect, ranked, left, right) for name, effect in best.items()]


def _bar(name: str, effect: Mapping[str, Any], ranked: list[str], left: float, right: float) -> Bar:
    def at(key: str) -> float | None:
        value = effect[key]
        return None if value is None else 100 * (min(max(value, left), right) - left) / (right - left)

    return Bar(
        name=sections.title(name),
        rank=ranked.index(name) + 1 if name in ranked else None,
        gain=_gain(effect),
        evidence=effect["evidence"],
        remedy=effect["remedy"],
        zero=100 * -left / (right - left),
        at=at("gain"),
        low=at("low"),
        high=at("high"),
    )


def _gain(effect: Mapping[str, Any]) -> str:
    if effect["gain"] is None:
        severity = effect.get("severity")
        return f"up to {100 * severity:.1f} can be untrue" if severity else "a fault"
    low, gain, high = (f"{100 * effect[k]:+.1f}".replace("-", "−") for k in ("low", "gain", "high"))
    return f"{gain} ({low} to {high})"
