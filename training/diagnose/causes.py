"""What the experiments say together: causes, ranked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from imageclinic.training.diagnose.results import LARGE, Effect, Result


def causes(results: Mapping[str, Result]) -> list[dict[str, Any]]:
    """Rank what counts: plain faults first, then by estimated gain, or by severity. Of several effects of one cause the
    best is kept; what the audit found of it, without training, is added to what an experiment measured.

    Args:
        results: experiment → what it found, in the order in which they were made.

    Returns:
        `cause, estimated_gain, low, high` (points of accuracy, 95 % interval, or None), `evidence, remedy, fault,
        severity` (points, of what the audit found, or None), `experiment`; only faults, gains whose interval lies above
        zero and what the audit found that weighs more than a point.
    """
    return _ranked(results, lambda effect: effect.counts)


def possible(results: Mapping[str, Result]) -> list[dict[str, Any]]:
    """What may bring more than a point, but is not sure to bring anything, and what may make accuracy untrue, where
    nothing in the data can tell: rows as of `causes`, by estimated gain or severity."""
    sure = {row["cause"] for row in causes(results)}
    found = _ranked(results, lambda effect: effect.possible)
    return [row for row in found if row["cause"] not in sure]


def healthy(results: Mapping[str, Result], missing: int) -> bool | None:
    """False: a fault, or a gain whose interval lies above one point. None: it can't be known, because experiments are
    missing or an estimated gain is large, if not sure. True: neither."""
    effects = [effect for result in results.values() for effect in result.effects]
    if any(effect.worth for effect in effects):
        return False
    return None if missing or any(effect.gain is not None and effect.gain > LARGE for effect in effects) else True


def verdict(
    causes: Sequence[Mapping[str, Any]],
    possible: Sequence[Mapping[str, Any]],
    healthy: bool | None,
    missing: int,
    validation: float | None,
) -> str:
    """What was found, in a sentence or two.

    Args:
        causes: see `causes`.
        possible: see `possible`.
        healthy: see `healthy`.
        missing: how many experiments were not made.
        validation: validation accuracy of the training as it is, in [0, 1].
    """
    accuracy = "" if validation is None else f" Validation accuracy is {validation:.1%}."
    first = _named(causes[0]) if causes else ""
    unsure = max([*causes, *possible], key=_at_stake, default=None)
    perhaps = "" if unsure is None else f" What may help most, and is not sure to: {_named(unsure)}."
    if healthy is None:
        why = "with gains so unsure that does not mean healthy"
        if missing:
            why = "1 experiment is missing" if missing == 1 else f"{missing} experiments are missing"
        return f"Nothing that was tried is sure to bring more than a point; {why}.{perhaps}{accuracy}"
    if healthy:
        return f"Healthy: nothing that was tried is sure to bring more than a point.{perhaps}{accuracy}"
    if causes[0]["fault"]:
        return f"Something is plainly wrong, to be fixed first: {first}.{accuracy}"
    untold = next((row for row in possible if _at_stake(row) > _at_stake(causes[0])), None)
    more = "" if untold is None else f" What may weigh more, and can't be known without you: {_named(untold)}."
    return f"Likeliest cause: {first}.{more}{accuracy}"


def _at_stake(cause: Mapping[str, Any]) -> float:
    return max(cause["estimated_gain"] or 0.0, cause.get("severity") or 0.0)


def _named(cause: Mapping[str, Any]) -> str:
    return f"{cause['cause'].replace('_', ' ')}, {points(cause)}"


def points(cause: Mapping[str, Any]) -> str:
    """The estimated gain of one of `causes`, for a person."""
    if cause["estimated_gain"] is None and cause.get("severity"):
        return f"can distort accuracy by up to {cause['severity']:.1f} points"
    if cause["estimated_gain"] is None:
        return "what fixing it brings can't be estimated"
    return f"{cause['estimated_gain']:+.1f} points ({cause['low']:+.1f} to {cause['high']:+.1f})"


def _ranked(results: Mapping[str, Result], wanted: Callable[[Effect], bool]) -> list[dict[str, Any]]:
    measured: dict[str, tuple[Effect, str]] = {}
    audited: dict[str, tuple[Effect, str]] = {}
    for name, result in results.items():
        for effect in filter(wanted, result.effects):
            best = measured if effect.severity is None else audited
            if effect.cause not in best or _weight(effect) > _weight(best[effect.cause][0]):
                best[effect.cause] = (effect, name)
    for cause, (effect, name) in measured.items():
        if cause in audited:
            measured[cause] = (_joined(effect, audited[cause][0]), name)
    ranked = sorted({**audited, **measured}.values(), key=lambda found: _weight(found[0]), reverse=True)
    return [_row(effect, name) for effect, name in ranked]


def _weight(effect: Effect) -> tuple[bool, float]:
    known = [value for value in (effect.gain, effect.severity) if value is not None]
    return effect.fault, max(known, default=-1.0)


def _joined(measured: Effect, audited: Effect) -> Effect:
    """What an experiment measured, with what the audit found."""
    return replace(
        measured,
        evidence=f"{measured.evidence} {audited.evidence}",
        fault=measured.fault or audited.fault,
        severity=audited.severity,
    )


def _row(effect: Effect, experiment: str) -> dict[str, Any]:
    points = {
        name: None if value is None else round(100 * value, 2)
        for name, value in (
            ("estimated_gain", effect.gain),
            ("low", effect.low),
            ("high", effect.high),
            ("severity", effect.severity),
        )
    }
    return {
        "cause": effect.cause,
        **points,
        "evidence": effect.evidence,
        "remedy": effect.remedy,
        "fault": effect.fault,
        "experiment": experiment,
    }
