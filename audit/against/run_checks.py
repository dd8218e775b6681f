"""Finds what is looked for in new images, and sums up what was found, worst first."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import pandas as pd

from imageclinic.audit import runner
from imageclinic.audit.against import checks
from imageclinic.audit.verdict.line import Line, number
from imageclinic.core.errors import InputError

#: What a check may ask for: of the new images the tables dataset and features, their copies and embeddings; of the run
#: its classes, embeddings, images (label, decision, whether flagged as outlier) and the options of its checks; and what
#: was made of both.
INPUTS = (
    *("dataset", "new_copies", "new_clusters", "new_embeddings", "run_copies", "run_classes", "run_embeddings"),
    *("run_images", "run_options"),
    *("look_alikes", "predicted_labels", "property_tests", "embedding_test"),
)
#: Checks of the audit that are the same here, and how they are summed up.
SAME = {
    "corrupted": ("damaged or cut short", "one such file stops a training run, or is learnt as grey; fetch them again"),
    "unreadable_here": ("that can't be read here", "they can't be judged; convert or restore them"),
}
#: What lets an image pass all the same: it is about the delivery as a whole.
OF_ALL = ("property_drift", "embedding_drift")


@cache
def load() -> dict[str, runner.Check]:
    """All checks by name, the most urgent first.

    Raises:
        TypeError: a module of `audit.against.checks` that asks for an unknown input.
    """
    found = [runner.load()[name] for name in SAME]
    for module in pkgutil.iter_modules(checks.__path__):
        content = importlib.import_module(f"{checks.__name__}.{module.name}")
        check = runner.Check(module.name, content.find, content.URGENCY, content.ABOUT)
        if unknown := set(check.inputs) - set(INPUTS):
            raise TypeError(f"audit/against/checks/{module.name}.py asks for {unknown}; known: {', '.join(INPUTS)}")
        found.append(check)
    return {check.name: check for check in sorted(found, key=lambda c: (c.urgency, c.name))}


def select(only: Sequence[str] = (), skip: Sequence[str] = ()) -> tuple[dict[str, runner.Check], list[str]]:
    """Checks to run and names of those left out. Raises InputError for an unknown name; lists the valid ones."""
    known = load()
    for name in (*only, *skip):
        if name not in known:
            raise InputError(f"imageclinic check has no check {name!r}", expected=f"one of {', '.join(known)}")
    chosen = {n: c for n, c in known.items() if (not only or n in only) and n not in skip}
    return chosen, [n for n in known if n not in chosen]


def verdict(issues: pd.DataFrame, images: int, accepted: int, commands: Mapping[str, str]) -> list[dict[str, Any]]:
    """One line per check that found something, the worst first; a last one says how many images passed.

    Args:
        issues: of all checks.
        images: new images.
        accepted: those without a finding.
        commands: what to do next: by name of a check, and under ``""`` for the last line.
    """
    lines = []
    for name in load():
        own = issues[issues["check"] == name]
        if len(own):
            what, follows = _summed_up(name)(own)
            share = 1.0 if name in OF_ALL else own["image_id"].nunique() / max(images, 1)
            command = commands.get(name, commands["look"])
            lines.append(Line(name, share * float(own["score"].max()), what, follows, command, [name]))
    passed = f"{accepted:,} of {number(images, 'new image')} passed every check"
    names = "its name is in accepted.txt" if accepted == 1 else "their names are in accepted.txt"
    lines.append(Line("accepted", 0.0, passed, names, commands[""]))
    return [line.as_json() for line in lines]


def _summed_up(name: str) -> Callable[[pd.DataFrame], tuple[str, str]]:
    if name in SAME:
        what, follows = SAME[name]
        return lambda own: (f"{number(len(own), 'new file')} {what}", follows)
    summed_up: Callable[[pd.DataFrame], tuple[str, str]] = importlib.import_module(
        f"{checks.__name__}.{name}"
    ).summed_up
    return summed_up
