"""Whether properties of the new images are distributed otherwise than the run's."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.against.property_tests import PropertyTest, visible
from imageclinic.audit.issue_rows import findings
from imageclinic.audit.verdict.line import number

URGENCY = 65
ABOUT = ("images",)


def find(property_tests: list[PropertyTest]) -> pd.DataFrame:
    """Sizes, brightness, sharpness, file size, format and the like, tested one by one.

    Kolmogorov and Smirnov's test for numbers, the chi-squared test for kinds, Holm's correction for their number at 1 %
    in all, on images of the same classes in the same shares, one of each cluster of copies. What differs by less than
    0.1 is not reported. Score: the difference.
    """
    moved = [test for test in property_tests if test.moved]
    return findings(
        score=[min(1.0, test.difference) for test in moved],
        suggested_action=["review"] * len(moved),
        label=[test.name for test in moved],
        evidence=[
            f"{test.name} moved: {test.in_new} in the new images, {test.in_run} in the run (difference "
            f"{test.difference:.2f}, p = {test.p_corrected:.2g}, corrected for {len(property_tests)} tests)."
            for test in moved
        ],
    )


def summed_up(issues: pd.DataFrame) -> tuple[str, str]:
    """What was found and what follows, in words."""
    worst = issues.sort_values("score", ascending=False)
    names = ", ".join(worst["label"].head(4)) + (" and others" if len(worst) > 4 else "")
    first = str(worst["evidence"].iloc[0]).partition(" (difference")[0]
    what = f"{number(len(issues), 'property', 'properties')} moved ({names}); {first}"
    return what, "another source, camera or preparation: a model of the run may be worse on such images"


def unseen(n: int, m: int, tests: int) -> str:
    """How small a shift may go unnoticed, in words."""
    return f"with {m:,} new images against {n:,}, a shift of less than {visible(n, m, tests):.2f} would not be seen"
