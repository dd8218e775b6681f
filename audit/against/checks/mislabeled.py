"""New images whose label the run's models doubt."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.checks.mislabeled import in_words
from imageclinic.audit.verdict.line import number
from imageclinic.core.errors import NotApplicable

URGENCY = 40
ABOUT = ("labels",)


def find(predicted_labels: pd.DataFrame) -> pd.DataFrame:
    """New images whose label is as doubtful as those that the audit flags in the run, or more likely wrong than right.

    The linear head and the discriminant that predict the run's own images out of fold, fitted to all of them, predict
    the new ones; the noise model that was fitted to the run gives the probability that the label is wrong. It takes
    the new images for labelled as carefully as the run's. A flag depends on its image alone, not on the delivery.
    Score, as in the audit: the probability that the label is wrong and the suggested one right.
    """
    known = predicted_labels[predicted_labels["wrong"].notna()]
    if known.empty:
        raise NotApplicable("no readable new image has a label of a class of the run")
    return in_words(known[known["doubted"]], "models of the run")


def summed_up(issues: pd.DataFrame) -> tuple[str, str]:
    """What was found and what follows, in words."""
    right = float(issues["score"].sum())
    are = "is" if len(issues) == 1 else "are"
    what = f"{number(len(issues), 'label')} of new images {are} likely wrong"
    return (
        what,
        f"a model learns wrong labels, too; about {right:.0f} of the suggested ones are right, look before you train",
    )
