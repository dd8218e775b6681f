"""What the report says of the review: per check, what persons and policies decided, and how far its flags are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One check. `right`: what share of its flags is right, with its interval, or why that is not known."""

    check: str
    flagged: int
    confirmed: int
    rejected: int
    by_policy: int
    right: str


@dataclass(frozen=True)
class Progress:
    """All checks, and the reason that all of them share for a precision that is not known."""

    rows: list[Row]
    note: str


def progress(checks: Sequence[Mapping[str, Any]], order: Sequence[str]) -> Progress:
    """The review's progress, for the template.

    Args:
        checks: rows of `cleaning.trust.estimates.by_check`.
        order: names of checks in the order in which they are shown.
    """
    rows = [
        Row(
            check=c["check"],
            flagged=int(c["flagged"]),
            confirmed=int(c.get("confirmed") or 0),
            rejected=int(c.get("rejected") or 0),
            by_policy=int(c.get("by_policy") or 0),
            right=_right(c),
        )
        for c in sorted(checks, key=lambda c: order.index(c["check"]) if c["check"] in order else len(order))
    ]
    reasons = {row.right for row in rows}
    if len(rows) > 1 and len(reasons) == 1 and checks[0].get("precision") is None:
        return Progress([Row(**{**row.__dict__, "right": "–"}) for row in rows], reasons.pop())
    return Progress(rows, "")


def _right(check: Mapping[str, Any]) -> str:
    if check.get("precision") is None:
        return str(check.get("note") or "–")
    return f"{check['precision']:.0%} ({check['low']:.0%} to {check['high']:.0%})".replace("%", " %")
