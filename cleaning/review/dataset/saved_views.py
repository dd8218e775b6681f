"""The saved views: the Inbox, the random sample, one view a check, what is undecided, disputed and decided."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from imageclinic.cleaning.decisions import label_ranking
from imageclinic.cleaning.review.dataset.fields import HINTS
from imageclinic.core.predicted.tested_images import BROKEN, FIXED

if TYPE_CHECKING:
    import fiftyone as fo

WRONG = "Wrong on the test set"
CHANGED = {FIXED: "Fixed by cleaning", BROKEN: "Broken by cleaning"}
TESTED = (*CHANGED.values(), WRONG)
_DID = {FIXED: "turned from wrong to right", BROKEN: "turned from right to wrong"}


def side_by_side(items: pd.DataFrame, checks: Sequence[str]) -> list[str]:
    """The checks most of whose images have copies: their views show these side by side.

    Args:
        items: see `sample_rows.collect`.
        checks: columns of it.
    """
    in_cluster = items["cluster"].notna()
    return [check for check in checks if in_cluster[items[check].notna()].mean() > 0.5]


def tested(items: pd.DataFrame) -> list[str]:
    """The views of test images that have any, see `sample_rows.collect` for `items`."""
    effects = set(items["cleaning_effect"].dropna())
    changed = [name for effect, name in CHANGED.items() if effect in effects]
    return [*changed, *([WRONG] if items["test_predicted"].notna().any() else [])]


def save(
    dataset: fo.Dataset,
    checks: Sequence[str],
    *,
    side_by_side: Collection[str],
    tested: Collection[str],
    reviewer: str | None,
) -> None:
    """The Inbox, one view a check (worst first, copies side by side), the undecided, the decided.

    Args:
        dataset: one with the fields, with or without images.
        checks: one view each.
        side_by_side, tested: see the functions of these names.
        reviewer: whose dataset it is; None: everybody's.
    """
    from fiftyone import ViewField as F

    flagged = dataset.match(F("queue") != None)  # noqa: E711 (a query expression)
    dataset.save_view(
        "Inbox",
        dataset.match(F("in_inbox") == True).sort_by("queue"),  # noqa: E712
        description="every image with an undecided finding, the most urgent first",
        color="#ff6d04",
    )
    # The reviewer judges the picture and its label, and nothing that a check found or that others decided.
    blind = dataset.match(F("calibrate") != None).sort_by("calibrate")  # noqa: E711
    if reviewer is not None:
        mine = F("reviewer").re_match(f"(^|;){re.escape(reviewer)}(;|$)")
        for field in ("decision", "decided_label"):
            blind = blind.set_field(field, mine.if_else(F(field), None))
    dataset.save_view(
        "Calibrate",
        blind.exclude_fields([*HINTS, *checks]),
        description="a random sample, flagged and unflagged, to learn how far the flags can be trusted",
        color="#b57bee",
    )
    for check in checks:
        view = dataset.match(F(check) != None)  # noqa: E711
        copies = check in side_by_side
        order: list[tuple[str, int]] = [("doubt" if check == label_ranking.CHECK else check, -1)]
        if copies:
            order = [("cluster", 1), *order]
        description = "copies side by side" if copies else "worst first"
        dataset.save_view(name_of(check), view.sort_by([*order, ("queue", 1)]), description=description)
    _save_tested(dataset, tested)
    undecided = flagged.match((F("decision") == None) & (F("settled") != True)).sort_by("queue")  # noqa: E711, E712
    dataset.save_view("Undecided", undecided, description="findings without a decision", color="#8a8f98")
    disputed = dataset.match(F("disputed") == True).sort_by("queue")  # noqa: E712
    dataset.save_view("Disputed", disputed, description="reviewers disagree: it stays undecided", color="#ef5350")
    decided = dataset.match(F("decision") != None).sort_by("decided_at", reverse=True)  # noqa: E711
    dataset.save_view("Decided", decided, description="the latest first", color="#3fb86b")


def _save_tested(dataset: fo.Dataset, tested: Collection[str]) -> None:
    """Test images that cleaning fixed, or broke, and those that are wrong after it, where there was a comparison."""
    from fiftyone import ViewField as F

    colour = "#4cc3d9"
    for effect, best_first in ((FIXED, True), (BROKEN, False)):
        if CHANGED[effect] in tested:
            view = dataset.match(F("cleaning_effect") == effect)
            view = view.sort_by([("test_gain", -1 if best_first else 1), ("image_id", 1)])
            dataset.save_view(
                CHANGED[effect], view, description=f"test images that cleaning {_DID[effect]}", color=colour
            )
    if WRONG in tested:
        wrong = dataset.match(F("test_predicted") != None)  # noqa: E711
        wrong = wrong.sort_by([("test_wrong", -1), ("image_id", 1)])
        dataset.save_view(WRONG, wrong, description="wrong after cleaning in most trainings of compare", color=colour)


def name_of(check: str) -> str:
    """The name of a check's saved view: ``near_duplicate`` → ``Near duplicate``."""
    return check.replace("_", " ").capitalize()
