"""What the experiments say together: causes, ranked."""

from __future__ import annotations

from collections.abc import Mapping
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
