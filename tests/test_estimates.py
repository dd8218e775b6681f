"""Precision of flags from random reviews: weighted, finite, honest about what was not sampled."""

import numpy as np
import pandas as pd
import pytest

from audit import tables
from cleaning import decisions
from cleaning.estimates import NOT_ESTIMATED, by_check, precision, totals


def dataset(n):
    return tables.frame(
        tables.DATASET, image_id=[f"{i:03}" for i in range(n)], label="x", sha256=[f"s{i}" for i in range(n)],
        bytes=1, mtime_ns=0,
    )  # fmt: skip


def issues(n, check="dark"):
    ids = [f"{i:03}" for i in range(n)]
    return tables.frame(
        tables.ISSUES, check=check, image_id=ids, score=[0.5] * n, suggested_action="review", evidence="Seen."
    )


def reviews(tmp_path, *rows):
    path = tmp_path / "decisions.csv"
    decisions.append(path, pd.DataFrame([{"decision": "keep", "reviewer": "ann", **row} for row in rows]))
    return decisions.read(path)


def test_only_random_reviews_of_persons_give_an_estimate(tmp_path):
    random = {"sample": "random", "inclusion_prob": 0.5}
    log = reviews(
        tmp_path,
        {"image_id": "000", "decision": "drop", "confirmed": "dark;blurry"},
        {"image_id": "001", "rejected": "dark", **random},
        {"image_id": "002", "decision": "drop", "confirmed": "dark", **random},
        {"image_id": "003", "decision": "unsure", **random},
        {"image_id": "004", "decision": "drop", "confirmed": "dark", "reviewer": "policy:p", **random},
        {"image_id": "099", "decision": "drop", "confirmed": "dark", **random},
    )
    result = by_check(issues(10), log, dataset(100)).iloc[0]
    assert result[["check", "flagged", "reviewed", "confirmed", "rejected", "random"]].tolist() == [
        "dark", 10, 3, 2, 1, 2,
    ]  # fmt: skip
    assert result["precision"] == 0.5 and 0 < result["low"] < 0.5 < result["high"] < 1
    assert pd.isna(result["note"])


def test_without_random_reviews_nothing_is_estimated(tmp_path):
    log = reviews(tmp_path, {"image_id": "000", "decision": "drop", "confirmed": "dark"})
    result = by_check(pd.concat([issues(3), issues(2, "blurry")]), log, dataset(5)).set_index("check")
    assert result["note"].tolist() == [NOT_ESTIMATED, NOT_ESTIMATED]
    assert result[["precision", "low", "high"]].isna().all(axis=None)
    assert result["confirmed"].to_dict() == {"blurry": 0, "dark": 1}
    assert by_check(issues(0), log, dataset(5)).empty


def test_disputed_images_are_not_reviewed(tmp_path):
    log = reviews(
        tmp_path,
        {"image_id": "000", "decision": "drop", "confirmed": "dark"},
        {"image_id": "000", "rejected": "dark", "reviewer": "bob"},
    )
    assert by_check(issues(3), log, dataset(3))["reviewed"].tolist() == [0]
    assert totals(log, dataset(3)) == {
        "keep": 0, "drop": 0, "relabel": 0, "unsure": 0, "disputed": 1, "undecided": 2, "stale": 0,
    }  # fmt: skip


def test_wilson_at_known_values():
    # Newcombe (1998), Statistics in Medicine 17:857, table I: 81 of 263, and 0 of 20.
    huge = 1e12
    share, low, high = precision(np.arange(263) < 81, np.full(263, huge))
    assert (round(share, 4), round(low, 4), round(high, 4)) == (0.3080, 0.2553, 0.3662)
    assert np.round(precision(np.zeros(20, bool), np.full(20, huge)), 4).tolist() == [0, 0, 0.1611]


def test_weights_undo_the_sampling():
    share, *_ = precision(np.array([True, True, False]), np.array([1.0, 1.0, 8.0]))
    assert share == pytest.approx(0.2)


def test_a_census_has_no_uncertainty_and_half_a_census_less():
    right = np.arange(40) < 10
    assert precision(right, np.ones(40)) == (0.25, 0.25, 0.25)
    _, low, high = precision(right, np.full(40, 2.0))
    _, wide_low, wide_high = precision(right, np.full(40, 1e9))
    assert high - low < 0.8 * (wide_high - wide_low)
    assert all(np.isnan(precision(np.array([], bool), np.array([]))))


@pytest.mark.parametrize("n", [30, 100])
def test_the_interval_covers_the_truth(n):
    """200 simulated reviews of 1,000 flags, two score bands drawn with unequal probability."""
    rng = np.random.default_rng(0)
    truth = rng.random(1000) < np.where(np.arange(1000) < 300, 0.8, 0.3)
    covered = 0
    for _ in range(200):
        top, rest = rng.choice(300, n // 2, replace=False), 300 + rng.choice(700, n // 2, replace=False)
        weight = np.repeat([300 / (n // 2), 700 / (n // 2)], n // 2)
        _, low, high = precision(truth[np.concatenate([top, rest])], weight)
        covered += low <= truth.mean() <= high
    assert covered >= 186
