"""Who disagrees, and what is suggested (`audit.checks.annotator_disagreement`)."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.checks import annotator_disagreement
from tests.audit.checks.test_checks import inputs


def test_the_worst_image_says_who_said_what_and_whom_to_ask() -> None:
    given = inputs()
    found = annotator_disagreement.find(given["annotations"], given["consensus"]).set_index("image_id")
    worst = found.loc["b/031.jpg"]
    assert (worst["score"], worst["suggested_action"], worst["suggested_label"]) == (0.9, "relabel", "a")
    assert all(part in worst["evidence"] for part in ("x: b", "y: a", "90%", "Ask next: z."))
    other = found.loc["a/030.jpg"]
    assert other["suggested_action"] == "review" and pd.isna(other["suggested_label"])


def test_an_image_whose_annotators_agree_is_no_finding_however_unsure() -> None:
    given = inputs()
    agreed = given["annotations"].assign(label="b")
    assert annotator_disagreement.find(agreed, given["consensus"]).empty
