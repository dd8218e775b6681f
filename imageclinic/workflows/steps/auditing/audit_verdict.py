"""What an audit says first, from its tables, findings and predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from imageclinic.audit.checks import split_shift
from imageclinic.audit.verdict import ranking
from imageclinic.audit.verdict.causes.label_conflicts import least_wrong
from imageclinic.audit.verdict.line import RUN, Facts
from imageclinic.workflows.steps.auditing import label_noise


def judge(
    inputs: Mapping[str, Any],
    splits: pd.DataFrame,
    issues: pd.DataFrame,
    outcomes: Sequence[Mapping[str, Any]],
    label_separator: str | None = None,
) -> dict[str, Any]:
    """The keys ``label_noise`` and ``verdict`` of run.json.

    Args:
        inputs: the audit's tables by name; predictions may be missing.
        splits: the frozen splits.
        issues, outcomes: what the checks found.
        label_separator: of label sets, where images may have several classes: labels are then of none of the kinds of
            noise that are estimated.
    """
    dataset, clusters = inputs["dataset"], inputs["clusters"]
    facts = Facts(dataset, inputs["neighbors"], clusters, splits, issues, outcomes)
    noise = None
    if "predictions" in inputs and label_separator is None:
        compared = any(o["check"] == "split_shift" and o["outcome"] in ("found", "clean") for o in outcomes)
        shifted = (
            split_shift.shifted_splits(facts.found("split_shift"))
            if compared
            else label_noise.unlike_train(dataset, inputs["predictions"])
        )
        noise = label_noise.estimate(
            dataset, splits, clusters, inputs["predictions"], shifted=shifted, wrong=least_wrong(facts)
        )
    facts = Facts(dataset, inputs["neighbors"], clusters, splits, issues, outcomes, noise, label_separator)
    lines = ranking.record(facts)
    if label_separator is not None:
        lines = [{**line, "command": _of_label_sets(line["command"])} for line in lines]
    return {"label_noise": noise, "verdict": lines}


def _of_label_sets(command: str) -> str:
    """The command, or what there is instead where images may have several classes: they are neither trained nor
    compared yet, and exported as a manifest."""
    name = command.removeprefix("imageclinic ").split(" ")[0]
    if name in ("train", "tune", "compare", "diagnose", "rerank", "export"):
        return f"imageclinic export {RUN} OUT --format manifest"
    return command
