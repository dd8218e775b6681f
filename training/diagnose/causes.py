"""What the experiments say together: causes, ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.diagnose.results import Effect, Result


def causes(results: Mapping[str, Result]) -> list[dict[str, Any]]:
    """Rank what counts: plain faults first, then by estimated gain. Of several effects of one cause the best is told.

    Args:
        results: experiment → what it found, in the order in which they were made.

    Returns:
        `cause, estimated_gain, low, high` (points of accuracy, 95 % interval, or None), `evidence, remedy, fault`,
        `experiment`; only faults and gains whose interval lies above zero.
    """
    best: dict[str, tuple[Effect, str]] = {}
    for name, result in results.items():
        for effect in result.effects:
            if effect.counts and (effect.cause not in best or _weight(effect) > _weight(best[effect.cause][0])):
                best[effect.cause] = (effect, name)
    ranked = sorted(best.values(), key=lambda found: _weight(found[0]), reverse=True)
    return [_row(effect, name) for effect, name in ranked]


def healthy(results: Mapping[str, Result]) -> bool:
    """No fault, and no gain whose interval lies above one point."""
    return not any(effect.worth for result in results.values() for effect in result.effects)


def verdict(causes: Sequence[Mapping[str, Any]], healthy: bool | None, missing: int, validation: float | None) -> str:
    """What was found, in a sentence or two.

    Args:
        causes: see `causes`.
        healthy: see `healthy`; None when experiments are missing.
        missing: how many experiments were not made.
        validation: validation accuracy of the training as it is, in [0, 1].
    """
    said = "" if validation is None else f" Validation accuracy is {validation:.1%}."
    first = f"{causes[0]['cause'].replace('_', ' ')}, {points(causes[0])}" if causes else ""
    if healthy is None:
        found = (
            f"Likeliest cause so far: {first}; not sure to bring more than a point"
            if causes
            else "Nothing that was tried helps for sure"
        )
        return f"{found}. {missing} experiments are missing.{said}"
    if healthy:
        return f"Healthy: nothing that was tried is sure to bring more than a point.{said}"
    if causes[0]["fault"]:
        return f"Something is plainly wrong, to be mended first: {first}.{said}"
    return f"Likeliest cause: {first}.{said}"


def points(cause: Mapping[str, Any]) -> str:
    """The estimated gain of one of `causes`, for a person."""
    if cause["estimated_gain"] is None:
        return "what mending it brings can't be told"
    return f"{cause['estimated_gain']:+.1f} points ({cause['low']:+.1f} to {cause['high']:+.1f})"


def _weight(effect: Effect) -> tuple[bool, float]:
    return effect.fault, -1.0 if effect.gain is None else effect.gain


def _row(effect: Effect, experiment: str) -> dict[str, Any]:
    points = {
        name: None if value is None else round(100 * value, 2)
        for name, value in (("estimated_gain", effect.gain), ("low", effect.low), ("high", effect.high))
    }
    return {
        "cause": effect.cause,
        **points,
        "evidence": effect.evidence,
        "remedy": effect.remedy,
        "fault": effect.fault,
        "experiment": experiment,
    }
