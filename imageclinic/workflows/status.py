"""How far the review is, and how far its flags can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.reviewers import double_review, gold_images, gold_log, gold_results, team_settings
from imageclinic.cleaning.trust import agreement, estimates, trust_summary
from imageclinic.core.rows import lookup
from imageclinic.core.schema import POLICY
from imageclinic.workflows.steps.run_state import State, load

#: The columns that it needs.
DATASET = ("image_id", "label", "sha256", "read_error")
ISSUES = ("check", "image_id", "score")


def status(run: str | Path, *, stop_below: float | None = None) -> dict[str, Any]:
    """How far the review is, how far its flags can be trusted, and whether it may stop.

    Args:
        run: an audited run.
        stop_below: remember for this run that a review stops where fewer than so many of the next 100 flags are right.

    Returns:
        ``images, flagged, findings`` (of these images), ``about_classes`` (findings that are about no image alone, by
        check), ``flagged_decided, decided, disputed, stale``, ``decisions`` (counts by kind), ``by_policy`` (those
        that no person made), ``stop_below``,
        ``checks``: one record per check with findings, see `cleaning.trust.estimates.by_check`; ``unflagged``: see
        `cleaning.trust.estimates.unflagged`; ``words``: what these two say, a few lines a check; ``agreement`` of each
        two reviewers, see `cleaning.trust.agreement.table`; ``two_reviewers``: what two must see, see
        `cleaning.reviewers.double_review.summary`, or null; ``gold``: how often each reviewer was right about images
        with a known answer, see `cleaning.reviewers.gold_results.table`, and ``gold_undecided``, images of the file of
        known answers that are to be relabelled or dropped and that nobody has decided about; ``label_noise``:
        see `workflows.steps.auditing.label_noise.estimate`; and ``verdict``: the audit's verdict, see
        `core.run.Run.verdict`.

    Raises:
        InputError: the run was not audited, or `stop_below` is not above 0, up to 100.
    """
    return of_state(load(run, DATASET, ISSUES), stop_below)


def of_state(state: State, stop_below: float | None = None) -> dict[str, Any]:
    """As `status`, of a run that is read already: at least the columns `DATASET` and `ISSUES`."""
    if stop_below is not None:
        trust_summary.set_worth(state.run, stop_below)
    worth = trust_summary.worth(state.run)
    settings = team_settings.read(state.run)
    answered = settings.gold or gold_log.log_path(state.run).is_file()
    right = gold_images.answers(settings.gold, state.log, state.dataset) if answered else {}
    of_image = state.issues["image_id"].notna()
    flagged = state.issues.loc[of_image, "image_id"].drop_duplicates()
    decided = state.current[state.current["decision"].notna()]
    by_check = estimates.by_check(state.issues, state.log, state.dataset, worth)
    unflagged = estimates.unflagged(state.issues, state.log, state.dataset)
    return {
        "run": str(state.run.path),
        "images": len(state.dataset),
        "flagged": len(flagged),
        "findings": int(of_image.sum()),
        "about_classes": {str(k): int(v) for k, v in state.issues.loc[~of_image, "check"].value_counts().items()},
        "flagged_decided": int(lookup.among(decided["image_id"], flagged).sum()),
        "decided": len(decided),
        "disputed": sorted(state.current.loc[state.current["disputed"], "image_id"]),
        "stale": len(decision_log.stale(state.log, state.dataset)),
        "decisions": _counts(decided["decision"]),
        "by_policy": _counts(decided.loc[decided["reviewer"].str.startswith(POLICY), "decision"]),
        "stop_below": worth,
        "checks": by_check.astype(object).where(by_check.notna(), None).to_dict("records"),
        "unflagged": unflagged,
        "words": trust_summary.lines(by_check, unflagged, worth),
        "agreement": agreement.table(state.log, state.dataset),
        "two_reviewers": double_review.summary(settings.two_reviewers, state.log, state.dataset, state.current),
        "gold": gold_results.table(gold_log.read(state.run), right, state.dataset),
        "gold_undecided": sum(
            right[name] != "keep" for name in set(settings.gold) & set(right) - set(decided["image_id"])
        ),
        "label_noise": state.run.info().get("label_noise"),
        "verdict": state.run.verdict,
    }


def _counts(decisions: pd.Series) -> dict[str, int]:
    return {str(kind): int(n) for kind, n in decisions.value_counts().sort_index().items()}
