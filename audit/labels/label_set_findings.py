"""Label sets that are likely wrong → findings that name the classes that seem wrong or missing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imageclinic.audit.issue_rows import findings
from imageclinic.audit.labels import label_set_model
from imageclinic.core.errors import NotApplicable
from imageclinic.core.naming import label_sets

_NAMED = 5


def find(predictions: label_set_model.SetPredictions, cleanlab_filter: str | None = None) -> pd.DataFrame:
    """A finding for each image with a flagged class.

    Args:
        predictions: of the audit.
        cleanlab_filter: one of `confident_learning.FILTERS`; None: our own flags.

    Returns:
        `tables.ISSUES` without check. Score: the probability that the likeliest wrong class is wrong. Suggested is the
        label set with all flagged classes of the image taken out or put in; none where no class would be left.

    Raises:
        NotApplicable: when models that did not see an image can't tell its classes.
    """
    given, probs = predictions.given, predictions.pred_probs
    if not label_set_model.tells_classes(given, probs):
        raise NotApplicable(
            "models that did not see an image foretell its classes no better than by how common each is: nothing can "
            "be said of its labels"
        )
    doubt = label_set_model.wrong(given, probs)
    if cleanlab_filter is None:
        flagged = label_set_model.flags(doubt)
    else:
        flagged = label_set_model.cleanlab_flags(given, probs, cleanlab_filter)
    rows = np.flatnonzero(flagged.any(axis=1))
    better = given ^ flagged
    names = np.array(predictions.classes, dtype=object)
    suggested = [label_sets.joined(names[better[row]], predictions.separator) for row in rows]

    def words(row: int) -> str:
        order = [k for k in np.argsort(-doubt[row], kind="stable") if flagged[row, k]]
        each = [
            f"{names[k]} seems {'wrong' if given[row, k] else 'missing'} ({doubt[row, k]:.0%}; models that did not see "
            f"the image say it is there at {probs[row, k]:.0%})"
            for k in order[:_NAMED]
        ]
        more = f", and {len(order) - _NAMED} more classes" if len(order) > _NAMED else ""
        return f"Labelled {', '.join(names[given[row]])}: {'; '.join(each)}{more}."

    return findings(
        image_id=predictions.image_id.iloc[rows],
        score=np.where(flagged, doubt, 0)[rows].max(axis=1),
        suggested_action=["relabel" if text is not None else "review" for text in suggested],
        suggested_label=suggested,
        evidence=[words(int(row)) for row in rows],
    )
