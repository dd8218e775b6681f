"""How far to trust the flags, in short lines for a person, and the yield at which that person stops."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from typing_extensions import TypedDict

from imageclinic.audit import runner
from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.reviewers import double_review, team_settings
from imageclinic.cleaning.trust import agreement, estimates, stopping
from imageclinic.core import tables
from imageclinic.core.errors import remedied
from imageclinic.core.option_fields import STOP_BELOW
from imageclinic.core.reading.json_files import Number, read_json
from imageclinic.core.run import Run

#: Written in the place of a share whose 95 % interval is wider than `WIDE`.
TOO_FEW = "too few yet"
WIDE = 0.6


class _Stopping(TypedDict):
    stop_below: Number


def worth(run: Run) -> float:
    """The reviewer goes on while this many of the next 100 flags may be right: as set, else `stopping.WORTH`.

    Raises:
        InputError: the file that holds it says anything else.
    """
    if not run.stopping.is_file():
        return stopping.WORTH
    fix = "set it again with status --stop-below"
    with remedied(fix):
        return _checked(read_json(run.stopping, _Stopping, fix=fix)["stop_below"])


def set_worth(run: Run, value: float) -> None:
    """Remember in the run folder at how many right ones among 100 flags its reviewers stop, above 0 to 100."""
    tables.write_json(run.stopping, {"stop_below": _checked(value)})


def panel_of(run: Run) -> dict[str, list[Any]]:
    """What the App's panel shows of a run, as it is now: ``rows``, see `rows`, and ``lines``, see `lines`, with how far
    reviewers agree."""
    issues, dataset, log = run.read(tables.ISSUES), run.read(tables.DATASET), decision_log.read(run.decisions)
    at = worth(run)
    checks = estimates.by_check(issues, log, dataset, at)
    alike = [agreement.line(pair) for pair in agreement.table(log, dataset)]
    two = double_review.summary(team_settings.read(run).two_reviewers, log, dataset, decision_log.current(log, dataset))
    if two:
        alike += [double_review.line(two), *(f"Of these, {agreement.line(pair)}" for pair in two["agreement"])]
    return {"rows": rows(checks), "lines": [*lines(checks, estimates.unflagged(issues, log, dataset), at), *alike]}


def rows(checks: pd.DataFrame) -> list[list[str]]:
    """Per check with random reviews: its name, the share of its flags that is right, and what it missed, with 95 %
    intervals; `TOO_FEW` where the interval is wider than `WIDE`, for such a share says nothing yet.

    Args:
        checks: see `estimates.by_check`.
    """
    drawn = checks[(checks["random"] > 0) | checks["precision"].notna()]
    return [
        [
            str(row["check"]).replace("_", " "),
            _share(row, "precision", "low", "high", 0),
            _share(row, "missed", "missed_low", "missed_high", 1) if row["check"] in estimates.label_checks() else "",
        ]
        for row in drawn.to_dict("records")
    ]


def _share(row: Mapping[Any, Any], name: str, low: str, high: str, digits: int) -> str:
    if pd.isna(row[name]) or row[high] - row[low] > WIDE:
        return TOO_FEW
    return f"{row[name]:.{digits}%} ({row[low]:.{digits}%} to {row[high]:.{digits}%})"


def lines(checks: pd.DataFrame, unflagged: Mapping[str, Any], at: float) -> list[str]:
    """What persons' reviews say, a few lines for each check that they say anything about.

    Args:
        checks: see `estimates.by_check`.
        unflagged: see `estimates.unflagged`.
        at: the yield at which to stop, see `worth`.
    """
    sentences = []
    for row in checks[checks["reviewed"] > 0].to_dict("records"):
        sentences += [
            f"{row['check']}: {line}" for line in (_left(row), _missed(row), _stop(row, at), _weak(row, at)) if line
        ]
    if unflagged["changed"] is not None:
        share = f"{unflagged['changed']:.1%} ({unflagged['low']:.1%} to {unflagged['high']:.1%})"
        sentences.append(
            f"Of the {unflagged['images']:,} images that no check flagged, {share} would be relabelled or dropped."
        )
    return sentences


def _left(row: Mapping[Any, Any]) -> str:
    if not row["unreviewed"]:
        return "every flag was reviewed."
    policy = f" ({row['by_policy']:,} decided by a policy alone)" if row["by_policy"] else ""
    line = f"{row['unreviewed']:,} flags were reviewed by nobody{policy}"
    if pd.isna(row["rest"]) and row["check"] in runner.names_about("copies"):
        return f"{line}; how many of them are right is not estimated: a random image does not come with its copies."
    if pd.isna(row["rest"]):
        return f"{line}; how many of them are right is not known without random reviews (the Calibrate view)."
    errors = [f"{row['unreviewed'] * row[name]:,.0f}" for name in ("rest", "rest_low", "rest_high")]
    share = f"{row['rest']:.0%} of them are right ({row['rest_low']:.0%} to {row['rest_high']:.0%})"
    return f"{line}; {share}, or {errors[0]} ({errors[1]} to {errors[2]})."


def _missed(row: Mapping[Any, Any]) -> str:
    if row["check"] not in estimates.label_checks():
        return ""
    if pd.isna(row["missed"]):
        return "what it missed is not known without random reviews of unflagged images."
    share = f"{row['missed']:.1%} ({row['missed_low']:.1%} to {row['missed_high']:.1%})"
    return f"of the images that it did not flag, {share} have a wrong label too."


def _stop(row: Mapping[Any, Any], at: float) -> str:
    if not row["next_flags"]:
        return ""
    if pd.isna(row["next_errors"]):
        few = row["next_flags"] < stopping.AHEAD
        more = f"the {row['next_flags']} that are left" if few else "the 100 highest, to learn when to stop"
        return f"go on: review {more}."
    most = f"at most {math.ceil(row['next_errors']):,} of the next {row['next_flags']:,} are right, on average"
    return f"{'you can stop' if row['stop'] else 'go on'}: {most} (you stop below {at:g} in 100)."


def _weak(row: Mapping[Any, Any], at: float) -> str:
    if pd.isna(row["weak_below"]):
        return ""
    return f"below a score of {row['weak_below']:.2f} fewer than {at:g} in 100 of what is left are right."


def _checked(value: float) -> float:
    STOP_BELOW.check("stop below", value)
    return float(value)
