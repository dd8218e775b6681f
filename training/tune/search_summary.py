"""What a search says, in sentences."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from imageclinic.training.fit.settings import Settings, usual_rate


def of(result: Mapping[str, Any]) -> list[str]:
    """Sentences on the best setting, its test, how far its score in the search flattered it, and what mattered.

    Args:
        result: what `training.tune.search.tune` found: `best, final, importance, notes, images`.
    """
    best, final = result["best"], result["final"]
    options = ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in best["options"].items())
    lines = [
        f"Best of the search, by {result['images']['val']:,} validation images: trial {best['trial']}, accuracy "
        f"{_percent(best['val_accuracy'])} ({options})."
    ]
    if final is not None:
        lines += _tested(result, final)
    lines += _mattered(result["importance"])
    return [*lines, *result["notes"]]


def command(out: Path, best: Settings, base: Settings, size: int) -> str:
    """The ``imageclinic train`` command that trains with these settings: every option that is not the usual one."""
    usual = {**asdict(Settings()), "learning_rate": usual_rate(best.unfreeze)}
    parts = ["imageclinic", "train", str(out)]
    for name, value in {**asdict(best), "size": base.size and size}.items():
        if value != usual[name]:
            parts += [f"--{name.replace('_', '-')}", f"{value:.6g}" if isinstance(value, float) else str(value)]
    return shlex.join(parts)


def _tested(result: Mapping[str, Any], final: Mapping[str, Any]) -> list[str]:
    n, best = final["seeds"], final["best"]
    lines = [
        f"Retrained with {n} new seeds it has {_percent(_mean(best['val_accuracy']))} on the validation images, "
        f"{_apart(final['luck'])} the search's score."
    ]
    if best["test_accuracy"] is None:
        return [*lines, "There are no test images, so how far the choice flatters it is unknown."]
    if best["test"] is None:
        return [*lines, f"Test accuracy {_percent(_mean(best['test_accuracy']))}, on too few images for an interval."]
    gain, optimism = final["gain"], final["optimism"]
    if gain["low"] > 0:
        verdict = "better than without a search"
    elif gain["high"] < 0:
        verdict = "worse than without a search"
    else:
        verdict = "no gain over the usual options shown"
    lines += [
        f"On {result['images']['test']:,} test images: {_percent(best['test']['estimate'])} "
        f"(95 % interval {_span(_share(best['test']))} %); the usual options have "
        f"{_percent(final['usual']['test']['estimate'])}: {_points(gain['estimate'])} points "
        f"({_span(gain, signed=True)}), {verdict}.",
        f"The best score of the search is {_points(optimism['estimate'])} points too high, against the test images "
        f"({_span(optimism, signed=True)}). Report the test accuracy: the best score is the greatest of many.",
    ]
    if final["tested"] > 2:
        lines.append(
            f"These test images have scored {final['tested']} settings of this folder by now. Whoever picks among "
            "them by the test accuracy needs new test images."
        )
    return lines


def _mattered(importance: Mapping[str, Any]) -> list[str]:
    if importance["reason"]:
        return [importance["reason"]]
    clear = [row for row in importance["shares"] if row["beyond_chance"]]
    rest = [row["name"].replace("_", " ") for row in importance["shares"] if not row["beyond_chance"]]
    lines = [
        f"{row['name'].replace('_', ' ').capitalize()} explains {100 * row['share']:.0f} % of the differences between "
        f"the trials (90 % interval {100 * row['low']:.0f} to {100 * row['high']:.0f} %)."
        for row in clear
    ]
    if rest:
        lines.append(f"No difference from chance shown with {importance['trials']} trials: {', '.join(rest)}.")
    return lines


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")


def _span(interval: Mapping[str, float], *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{100 * interval['low']:{sign}.1f} to {100 * interval['high']:{sign}.1f}".replace("-", "−")


def _share(interval: Mapping[str, float]) -> dict[str, float]:
    """An interval of a share, cut where shares end."""
    return {"low": max(0.0, interval["low"]), "high": min(1.0, interval["high"])}


def _apart(luck: float) -> str:
    if abs(luck) < 0.0005:
        return "the same as"
    return f"{100 * abs(luck):.1f} points {'below' if luck > 0 else 'above'}"


def _value(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)
