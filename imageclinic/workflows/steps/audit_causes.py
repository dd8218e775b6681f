"""What an audit found that keeps accuracy low or makes it untrue, as causes of a diagnosis: nothing is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from imageclinic.audit.checks import shortcut
from imageclinic.audit.verdict import ranking
from imageclinic.audit.verdict.line import Facts, Line
from imageclinic.core import tables
from imageclinic.core.reading import saved_verdict
from imageclinic.workflows.steps.run_state import State

if TYPE_CHECKING:
    from imageclinic.training.diagnose.results import Effect

#: Causes of the audit's verdict, and what a diagnosis calls them.
CAUSES = {
    "leaks": "duplicates_and_leakage",
    "shortcuts": "shortcut",
    "split_differences": "split_shift",
    "class_sizes": "class_imbalance",
    "wrong_labels": "label_noise",
    "label_conflicts": "label_noise",
}
#: What can move accuracy by so much is to be mended before any other number is trusted. Uneven classes are no fault.
_FAULT = 0.1
_NO_FAULT = ("class_sizes",)
#: Where predictions can't tell wrong labels from hard images, so many possibly wrong ones are worth a person's look.
_PERHAPS = 0.1


def find(state: State) -> list[Effect]:
    """The causes, the most severe first, one of a kind; with what was decided since taken into account.

    Args:
        state: an audited run. Findings about images that were dropped or decided about don't count, and wrong labels in
            the share of flags that is left. Of wrong labels that the predictions can't tell from hard images, the most
            that are possible count, and the cause is not `certain`; nor is a shortcut that may be the classes' nature.
    """
    from imageclinic.training.diagnose.results import Effect

    found: dict[str, Effect] = {}
    noise = state.run.info().get("label_noise") or {}
    for line in _lines(state):
        name = CAUSES.get(line.cause)
        if name is None or not line.severity:
            continue
        (read,) = saved_verdict.with_run([line.as_json()], state.run.path)
        evidence = f"The audit: {line.sentence}: {line.consequence}."
        certain = bool(noise.get("established")) if line.cause == "wrong_labels" else not _by_nature(line)
        fault = certain and line.severity >= _FAULT and line.cause not in _NO_FAULT and _surely(line)
        if name in found:
            more = found[name]
            found[name] = Effect(
                name,
                None,
                None,
                None,
                f"{more.evidence} {evidence}",
                more.remedy,
                more.fault or fault,
                more.severity,
                more.certain or certain,
            )
        else:
            found[name] = Effect(name, None, None, None, evidence, read["command"], fault, line.severity, certain)
    return list(found.values())


def _by_nature(line: Line) -> bool:
    return line.cause == "shortcuts" and shortcut.is_natural(line.sentence)


def _surely(line: Line) -> bool:
    """What a picture shows has brightness and detail of its own: only what says how a file was made is a fault."""
    return line.cause != "shortcuts" or shortcut.is_technical(line.sentence)


def _lines(state: State) -> list[Line]:
    """The verdict on what is left of the run's findings."""
    info = state.run.info()
    gone = set(state.current.loc[state.current["decision"] == "drop", "image_id"])
    decided = set(state.current["image_id"])
    pairs = state.run.read_beside(state.dataset, tables.NEIGHBORS)
    pairs = pairs[~pairs["image_id"].isin(gone) & ~pairs["other_id"].isin(gone)]
    open_pairs = pairs[~pairs["image_id"].isin(decided) & ~pairs["other_id"].isin(decided)]
    issues = state.issues[~state.issues["image_id"].isin(decided)]
    # What is found of an image beside its copy is settled with the copy, too.
    for check, beside in (("split_leakage", pairs), ("conflicting_label", open_pairs)):
        settled = ~issues["image_id"].isin({*beside["image_id"], *beside["other_id"]})
        issues = issues[(issues["check"] != check) | ~settled]
    facts = Facts(
        state.dataset[~state.dataset["image_id"].isin(gone)],
        pairs,
        state.clusters[~state.clusters["image_id"].isin(gone)],
        state.splits[~state.splits["image_id"].isin(gone)],
        issues,
        info.get("outcomes") or [],
        info.get("label_noise"),
    )
    noise = facts.label_noise
    left = _left(state.issues, issues)
    lines = []
    for line in ranking.verdict(facts):
        if line.cause == "wrong_labels":
            at_most = float((noise or {}).get("high") or 0.0)
            if not (noise and noise.get("established")):
                if at_most < _PERHAPS:
                    continue
                line = replace(line, severity=at_most)
            line = replace(line, severity=left * line.severity)
        lines.append(line)
    return sorted(lines, key=lambda line: -line.severity)


def _left(before: pd.DataFrame, now: pd.DataFrame) -> float:
    """The share of flagged labels that nobody has decided about."""
    flagged = int((before["check"] == "mislabeled").sum())
    return int((now["check"] == "mislabeled").sum()) / flagged if flagged else 1.0
