"""What an audit says first, from its tables, findings and predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from imageclinic.audit.checks import split_shift
from imageclinic.audit.verdict import ranking
from imageclinic.audit.verdict.causes.label_conflicts import least_wrong
from imageclinic.audit.verdict.line import Facts
from imageclinic.workflows.steps.auditing import label_noise


def judge(
    inputs: Mapping[str, Any], splits: pd.DataFrame, issues: pd.DataFrame, outcomes: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The keys ``label_noise`` and ``verdict`` of run.json.

    Args:
        inputs: the audit's tables by name; predictions may be missing.
        splits: the frozen splits.
        issues, outcomes: what the checks found.
    """
    dataset, clusters = inputs["dataset"], inputs["clusters"]
    facts = Facts(dataset, inputs["neighbors"], clusters, splits, issues, outcomes)
    noise = None
    if "predictions" in inputs:
        compared = any(o["check"] == "split_shift" and o["outcome"] in ("found", "clean") for o in outcomes)
        shifted = (
            split_shift.shifted_splits(facts.found("split_shift"))
            if compared
            else label_noise.unlike_train(dataset, inputs["predictions"])
        )
        noise = label_noise.estimate(
            dataset, splits, clusters, inputs["predictions"], shifted=shifted, wrong=least_wrong(facts)
        )
    facts = Facts(dataset, inputs["neighbors"], clusters, splits, issues, outcomes, noise)
    return {"label_noise": noise, "verdict": ranking.record(facts)}
