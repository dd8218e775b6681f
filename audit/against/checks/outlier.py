"""New images unlike all of the run's."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imageclinic.audit.against.distance_to_run import distances
from imageclinic.audit.issue_rows import findings
from imageclinic.audit.verdict.line import number
from imageclinic.core.errors import NotApplicable
from imageclinic.core.tables import Embeddings

URGENCY = 70
ABOUT = ("images",)

#: As in the audit's check: neighbours that count, and robust standard deviations above the median.
NEIGHBOURS, DEVIATIONS = 20, 2.5


def find(new_embeddings: Embeddings, run_embeddings: Embeddings) -> pd.DataFrame:
    """New images that lie farther from the run's images than nearly all of the run's do from each other.

    Mean cosine distance to the 20 nearest images of the run, in the audit's components; flagged where its logarithm
    lies more than 2.5 robust standard deviations above the run's median. Score: 1 − exp(−distance / median distance).
    """
    n = len(run_embeddings.image_id)
    if n < 2 * NEIGHBOURS:
        raise NotApplicable(f"the run's {n} images are too few to look at {NEIGHBOURS} nearest neighbours")
    ratio, deviation = distances(run_embeddings.alike, new_embeddings.alike, NEIGHBOURS)
    far = np.flatnonzero(np.log(ratio) > DEVIATIONS * deviation)
    return findings(
        image_id=new_embeddings.image_id.to_numpy()[far],
        score=1 - np.exp(-ratio[far]),
        suggested_action=["review"] * len(far),
        evidence=[
            f"{r:.1f} times as far from its {NEIGHBOURS} nearest images of the run as the run's median image."
            for r in ratio[far]
        ],
    )


def summed_up(issues: pd.DataFrame) -> tuple[str, str]:
    """What was found and what follows, in words."""
    what = f"{number(len(issues), 'new image')} {'is' if len(issues) == 1 else 'are'} unlike all of the run's"
    return what, "they belong to no class, or are of a kind that the run lacks: look at them"
