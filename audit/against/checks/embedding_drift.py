"""Whether the new images look otherwise than the run's, to the run's embedder."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.against.classifier_test import EmbeddingTest
from imageclinic.audit.issue_rows import findings

URGENCY = 60
ABOUT = ("images",)


def find(embedding_test: EmbeddingTest) -> pd.DataFrame:
    """Whether a classifier can tell new images from the run's by their embeddings: a classifier two-sample test.

    Cross-validated logistic regression on 32 principal components, on images of the same classes in the same shares, a
    permutation test at 1 % (Lopez-Paz & Oquab, 2017). An accuracy below 60 % is not reported. Score: 2 · accuracy − 1.
    """
    if not embedding_test.moved:
        return findings()
    parts = embedding_test.components
    return findings(
        score=[max(0.0, 2 * embedding_test.accuracy - 1)],
        suggested_action=["review"],
        evidence=[
            f"A classifier tells {embedding_test.images:,} new images from as many of the run's at "
            f"{embedding_test.accuracy:.0%} (50 %: not at all; p = {embedding_test.p:.2g}); {len(parts['moved'])} of "
            f"{parts['tested']} principal components moved, most of all the {parts['largest']}. (by "
            f"{parts['distance']:.2f})."
        ],
    )


def summed_up(issues: pd.DataFrame) -> tuple[str, str]:
    """What was found and what follows, in words."""
    what = str(issues["evidence"].iloc[0]).partition(" (50 %")[0]
    return what, "they are of another kind than the run's images: a model of the run may be worse on them"
