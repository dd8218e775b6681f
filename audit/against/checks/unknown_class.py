"""New images of classes that the run lacks."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.issue_rows import findings
from imageclinic.audit.labels.look_alike_names import quoted
from imageclinic.audit.verdict.line import number
from imageclinic.core.errors import NotApplicable

URGENCY = 50
ABOUT = ("classes",)


def find(dataset: pd.DataFrame, run_classes: dict[str, int], look_alikes: dict[str, str]) -> pd.DataFrame:
    """New images of a class that the run has no image of, and whose name is not like one of its classes'.

    A model that was trained on the run has no output for such a class. Score: 1.
    """
    if not run_classes:
        raise NotApplicable("the run has no labels")
    if dataset["label"].isna().all():
        raise NotApplicable("no new image has a label")
    rows = dataset[dataset["label"].notna() & ~dataset["label"].isin([*run_classes, *look_alikes])]
    sizes = rows["label"].value_counts()
    return findings(
        image_id=rows["image_id"],
        score=[1.0] * len(rows),
        suggested_action=["review"] * len(rows),
        evidence=[f"The run has no class {quoted(name)} ({sizes[name]:,} new images)." for name in rows["label"]],
    )


def summed_up(issues: pd.DataFrame) -> tuple[str, str]:
    """What was found and what follows, in words."""
    names = issues["evidence"].nunique()
    what = f"{number(len(issues), 'new image')} of {number(names, 'class', 'classes')} that the run lacks"
    return what, "a model trained on the run has no output for them"
