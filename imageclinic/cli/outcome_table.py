"""The outcomes of an audit as people read them."""

from __future__ import annotations

import pandas as pd


def outcome_table(outcomes: pd.DataFrame) -> pd.DataFrame:
    """A row a check: check, outcome, findings, reason. The last line of a traceback is reason enough."""
    reasons = [str(r).strip().splitlines()[-1] if str(r).strip() else "" for r in outcomes["reason"]]
    return pd.DataFrame(
        {
            "check": outcomes["check"],
            "outcome": outcomes["outcome"],
            "findings": outcomes["n_issues"],
            "reason": reasons,
        }
    )
