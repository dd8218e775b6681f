"""How far the flags can be trusted, from a decision log: who counts, what counts as drawn, and what is not known."""

import numpy as np
import pandas as pd
import pytest

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.trust import estimates
from imageclinic.cleaning.trust.estimates import NOT_ESTIMATED, by_check
from imageclinic.core import tables
from tests.helpers.review_log import flags, images, reviewed


def logged(tmp_path, *rows):
    path = tmp_path / "decisions.csv"
    decision_log.append(path, pd.DataFrame([{"decision": "keep", "reviewer": "ann", **row} for row in rows]))
    return decision_log.read(path)


def test_only_random_reviews_of_persons_give_an_estimate(tmp_path):
    random = {"sample": "random", "inclusion_prob": 0.5}
    right = {"decision": "drop", "confirmed": "dark;blurry"}
    log = logged(
        tmp_path,
        {"image_id": "0000", **right},
        {"image_id": "0005", "rejected": "dark", **random},
        {"image_id": "0007", **right, **random},
        {"image_id": "0006", "decision": "unsure", **random},
        {"image_id": "0004", **right, "reviewer": "policy:p", **random},
        {"image_id": "0099", **right, **random},
    )
    row = by_check(flags(10, "dark"), log, images(100)).iloc[0]
    counts = ["flagged", "reviewed", "confirmed", "rejected", "random", "unreviewed", "by_policy"]
    assert row[counts].tolist() == [10, 3, 2, 1, 2, 6, 1]
    assert row["rest_low"] < row["rest"] < row["rest_high"] and pd.isna(row["note"])
    # Of nine flags that can be judged two are known to be right, and half of the six that are left are thought to be.
    assert row["precision"] == pytest.approx((2 + 6 * row["rest"]) / 9)


def test_without_random_reviews_nothing_is_estimated(tmp_path):
    log = reviewed(tmp_path, range(20), [True] * 20, sample="ranked")
    table = by_check(pd.concat([flags(100), flags(20, "blurry")]), log, images(200)).set_index("check")
    row = table.loc["mislabeled"]
    assert row["unreviewed"] == 80 and row["note"] == NOT_ESTIMATED
    assert row[["precision", "rest", "rest_low", "missed", "next_errors", "weak_below"]].isna().all()
    assert not row["stop"]
    assert by_check(flags(0), log, images(5)).empty


def test_what_was_reviewed_to_the_end_is_known(tmp_path):
    row = by_check(flags(4), reviewed(tmp_path, range(4), [True, True, True, False], sample="ranked"), images(9)).iloc[
        0
    ]
    assert row[["precision", "low", "high"]].tolist() == [0.75] * 3
    assert row["next_flags"] == 0 and row["stop"]


def test_a_small_check_drawn_whole_is_not_known_after_one_review(tmp_path):
    """Each of fewer than three hundred flags has the chance 1 to be drawn: that says nothing about how far one got."""
    row = by_check(flags(100), reviewed(tmp_path, [50], [True], chance=1.0), images(100)).iloc[0]
    assert row["high"] - row["low"] > 0.5


def test_disputed_images_are_no_answers(tmp_path):
    log = logged(
        tmp_path,
        {"image_id": "0000", "decision": "drop", "confirmed": "dark"},
        {"image_id": "0000", "rejected": "dark", "reviewer": "bob"},
    )
    row = by_check(flags(3, "dark"), log, images(3)).iloc[0]
    assert row["reviewed"] == 0 and row["unreviewed"] == 2


def test_labels_that_were_accepted_in_a_batch_are_not_reviewed(tmp_path):
    accepted = [
        {"image_id": f"{n:04}", "decision": "relabel", "label": "y", "reviewer": "ann", "note": decision_log.AT_ONCE}
        for n in range(3)
    ]
    log = logged(
        tmp_path, *accepted, {"image_id": "0009", "decision": "keep", "reviewer": "ann", "rejected": "mislabeled"}
    )
    row = by_check(flags(10), log, images(10)).iloc[0]
    assert (row["reviewed"], row["rejected"], row["unreviewed"]) == (1, 1, 6)


def test_what_was_known_is_not_drawn_a_second_time(tmp_path):
    reviewed(tmp_path, range(50), [True] * 50, sample="ranked")
    log = reviewed(tmp_path, range(50), [True] * 50)
    row = by_check(flags(100), log, images(100)).iloc[0]
    assert row["random"] == 0 and np.isnan(row["rest"])


def test_what_a_check_missed_is_estimated_for_labels_only(tmp_path):
    log = reviewed(tmp_path, range(100, 200, 2), [True] + [False] * 49)
    issues = pd.concat([flags(100), flags(100, "dark")])
    table = by_check(issues, log, images(200)).set_index("check")
    assert table.loc["mislabeled", "missed"] == pytest.approx(0.02)
    assert np.isnan(table.loc["dark", "missed"])
    whole = estimates.unflagged(issues, log, images(200))
    assert whole["images"] == 100 and whole["reviewed"] == 50
    assert whole["low"] < whole["changed"] < whole["high"] < 0.25
    assert estimates.unflagged(issues, tables.empty(tables.DECISION_LOG), images(200))["changed"] is None


def test_images_that_another_check_flagged_are_weighed_by_their_number(tmp_path):
    """Twenty of the unflagged were flagged as dark, and drawn ten times as often; all of these are wrong."""
    dark = flags(120, "dark").tail(20)
    reviewed(tmp_path, range(100, 120, 2), [True] * 10, chance=0.5)
    log = reviewed(tmp_path, range(200, 300, 10), [False] * 10, chance=0.05)
    row = by_check(pd.concat([flags(100), dark]), log, images(300)).set_index("check").loc["mislabeled"]
    assert 0.03 < row["missed"] < 0.12
