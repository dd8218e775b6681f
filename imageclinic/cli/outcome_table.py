"""The outcomes of an audit as people read them."""

from __future__ import annotations

import pandas as pd

from imageclinic.cli.terminal import Terminal


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


def show_outcomes(outcomes: pd.DataFrame, terminal: Terminal) -> None:
    """All checks, compactly: counts, then reasons. None is left out: silence would look like a clean outcome."""
    table = outcome_table(outcomes)
    names = {
        outcome: list(rows["check"])
        for outcome, rows in table.sort_values(["findings", "check"], ascending=[False, True]).groupby("outcome")
    }
    counts = dict(zip(table["check"], table["findings"], strict=True))
    found = [f"{check} {counts[check]:,}" for check in names.get("found", [])]
    for title, listed in (
        ("Found", found),
        ("Clean", names.get("clean", [])),
        ("Left out", names.get("skipped", [])),
    ):
        if listed:
            terminal.say(f"{title}: {', '.join(listed)}.")
    show_reasons(table, terminal)


def show_reasons(table: pd.DataFrame, terminal: Terminal) -> None:
    """Why checks of `outcome_table` do not apply or failed, and what those that found something add."""
    for outcome in ("not_applicable", "failed"):
        rows = table[table["outcome"] == outcome]
        for reason, group in rows.groupby("reason", sort=False):
            terminal.say(f"{outcome.replace('_', ' ').capitalize()}: {', '.join(group['check'])}: {reason}.")
    for row in table[(table["outcome"] == "found") & table["reason"].ne("")].itertuples():
        terminal.say(f"{row.check}: {row.reason}.")
