"""New images whose label the run's models doubt."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imageclinic.audit.issue_rows import findings
from imageclinic.audit.verdict.line import number
from imageclinic.core.errors import NotApplicable

URGENCY = 40
ABOUT = ("labels",)

#: More likely wrong than right.
DOUBTED = 0.5


def find(predicted_labels: pd.DataFrame) -> pd.DataFrame:
    """New images whose label is more likely wrong than right.

    The linear head and the discriminant that predict the run's own images out of fold, fitted to all of them, predict
    the new ones; the noise model that was fitted to the run gives the probability that the label is wrong. It takes
    the new images for labelled as carefully as the run's. A flag depends on its image alone, not on the delivery.
    Score: that probability.
    """
    known = predicted_labels[predicted_labels["wrong"].notna()]
    if known.empty:
        raise NotApplicable("no readable new image has a label of a class of the run")
    flagged = known[known["wrong"] >= DOUBTED]
    return findings(
        image_id=flagged["image_id"],
        score=flagged["wrong"],
        suggested_action=["relabel"] * len(flagged),
        suggested_label=flagged["other_label"],
        evidence=[
            f"Labelled {g}, likely wrong ({w:.0%}): models of the run say {g} at {p:.0%}, {s} at {q:.0%}."
            for g, w, p, s, q in zip(
                flagged["label"],
                flagged["wrong"],
                flagged["own_probability"],
                flagged["other_label"],
                flagged["other_probability"],
                strict=True,
            )
        ],
    )


def summed_up(issues: pd.DataFrame) -> tuple[str, str]:
    """What was found and what follows, in words."""
    right = float(np.sum(issues["score"]))
    are = "is" if len(issues) == 1 else "are"
    what = f"{number(len(issues), 'label')} of new images {are} more likely wrong than right"
    return what, f"a model learns wrong labels, too; about {right:.0f} of them are wrong, look before you train"
