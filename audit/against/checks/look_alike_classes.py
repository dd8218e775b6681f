"""New images of a class whose name is nearly that of one of the run's."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.issue_rows import findings
from imageclinic.audit.labels.look_alike_names import quoted
from imageclinic.audit.verdict.line import number
from imageclinic.core.errors import NotApplicable

URGENCY = 45
ABOUT = ("labels",)


def find(dataset: pd.DataFrame, run_classes: dict[str, int], look_alikes: dict[str, str]) -> pd.DataFrame:
    """New images of a class that the run has under another spelling: `Cat` for `cat`, `1.0` for `1`.

    Every loader takes them for two classes. Score: 1.
    """
    if not run_classes:
        raise NotApplicable("the run has no labels")
    if dataset["label"].isna().all():
        raise NotApplicable("no new image has a label")
    rows = dataset[dataset["label"].isin(look_alikes)]
    meant = [look_alikes[name] for name in rows["label"]]
    return findings(
        image_id=rows["image_id"],
        score=[1.0] * len(rows),
        suggested_action=["relabel"] * len(rows),
        suggested_label=meant,
        evidence=[
            f"Its class {quoted(name)} is spelt {quoted(other)} in the run."
            for name, other in zip(rows["label"], meant, strict=True)
        ],
    )


def summed_up(issues: pd.DataFrame) -> tuple[str, str]:
    """What was found and what follows, in words."""
    names = issues["evidence"].nunique()
    what = f"{number(names, 'class', 'classes')} ({number(len(issues), 'new image')}) spelt otherwise than in the run"
    return what, "loaders take two spellings for two classes"
