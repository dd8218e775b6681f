"""What random reviews say about the rest: coverage, a bound for every look, and the log's rules."""

import numpy as np
import pandas as pd
import pytest

from audit import tables
from cleaning import bounds, decisions, stopping
from imageclinic import deciding


def flags(n):
    return tables.frame(
        tables.ISSUES, check="mislabeled", image_id=[f"{i:04}" for i in range(n)],
        score=np.linspace(1, 0.5, n).tolist(), suggested_action="relabel", evidence="Seen.",
    )  # fmt: skip


def images(n):
    return tables.frame(
        tables.DATASET, image_id=[f"{i:04}" for i in range(n)], label="x", sha256=[f"s{i}" for i in range(n)],
        bytes=1, mtime_ns=0,
    )  # fmt: skip


def reviewed(tmp_path, at, right, sample="random", chance=0.5):
    events = pd.DataFrame(
        {
            "image_id": [f"{i:04}" for i in at],
            "decision": ["relabel" if r else "keep" for r in right],
            "label": ["y" if r else None for r in right],
            "confirmed": ["mislabeled" if r else None for r in right],
            "rejected": [None if r else "mislabeled" for r in right],
            "sample": sample,
            "inclusion_prob": chance if sample == "random" else None,
            "reviewer": "ann",
        }
    )
    decisions.append(tmp_path / "decisions.csv", events)
    return decisions.read(tmp_path / "decisions.csv")


@pytest.mark.parametrize("n", [30, 100, 300])
@pytest.mark.parametrize("share", [0.02, 0.15, 0.5])
def test_the_interval_covers_the_unreviewed_and_is_not_wide(n, share):
    """600 times 1,000 flags, the worst of them the most often right, in four bands."""
    rng, covered, widths, band = np.random.default_rng(1), 0, [], np.arange(1000) // 250
    chance = share * 3 * (1 - np.arange(1000) / 1000) ** 2
    for _ in range(600):
        right = rng.random(1000) < chance
        drawn = np.concatenate([rng.choice(np.flatnonzero(band == b), n // 4, replace=False) for b in range(4)])
        unseen = np.setdiff1d(np.arange(1000), drawn)
        left = np.bincount(band[unseen], minlength=4)
        _, low, high = bounds.rest(right[drawn], np.full(len(drawn), 1000 / len(drawn)), band[drawn], left)
        covered += low <= right[unseen].mean() <= high
        widths.append(high - low)
    truth = chance.clip(max=1).mean()
    plain = 2 * 1.96 * np.sqrt(truth * (1 - truth) * (1 / n + 1 / (1000 - n)))
    assert covered >= 0.93 * 600
    # At half an error in thirty reviews the normal width of a random sample means nothing.
    assert np.mean(widths) <= 1.3 * plain or n * share < 3


@pytest.mark.parametrize("share", [0.02, 0.05, 0.3])
def test_the_bound_holds_at_every_look(share):
    """200 reviewers of 400 flags, who look after each review."""
    rng, broken = np.random.default_rng(2), 0
    for _ in range(200):
        right = rng.random(400) < share
        found = np.cumsum(right[rng.permutation(400)])
        broken += any(bounds.most(int(k), i + 1, 400) < right.sum() for i, k in enumerate(found))
    assert broken <= 10


def test_the_bound_at_its_ends():
    assert bounds.most(0, 0, 50) == 50
    assert bounds.most(3, 50, 50) == 3
    assert 0 < bounds.most(0, 200, 400) < bounds.most(0, 100, 400) < bounds.most(0, 20, 400)


def test_reviews_of_the_top_say_nothing_about_the_rest(tmp_path):
    log = reviewed(tmp_path, range(20), [True] * 20, sample="ranked")
    row = stopping.by_check(flags(100), log, images(200)).iloc[0]
    assert row["unreviewed"] == 80
    assert row[["rest", "rest_low", "missed", "next_errors", "weak_below"]].isna().all()


def test_random_reviews_of_flagged_and_unflagged(tmp_path):
    log = reviewed(tmp_path, range(0, 100, 2), [True] * 10 + [False] * 40)
    log = reviewed(tmp_path, range(100, 200, 2), [True] + [False] * 49)
    row = stopping.by_check(flags(100), log, images(200)).iloc[0]
    assert row["rest_low"] < row["rest"] < row["rest_high"] and 0.1 < row["rest"] < 0.35
    assert row["missed"] == pytest.approx(0.02)
    assert 10 <= row["next_errors"] <= row["next_flags"] == 50


def test_it_stops_where_nothing_is_found_and_names_the_weak_scores(tmp_path):
    at = range(0, 400, 2)
    log = reviewed(tmp_path, at, [i < 100 for i in at])
    row = stopping.by_check(flags(400), log, images(500)).iloc[0]
    assert row["weak_below"] == pytest.approx(flags(400)["score"][100])
    log = reviewed(tmp_path, range(1, 200, 2), [i < 100 for i in range(1, 200, 2)], sample="ranked")
    row = stopping.by_check(flags(400), log, images(500)).iloc[0]
    assert row["next_flags"] == 100 and row["next_errors"] < 25


def test_chances_that_differ_give_no_bound(tmp_path):
    reviewed(tmp_path, range(20), [False] * 20, chance=0.5)
    log = reviewed(tmp_path, range(20, 40), [False] * 20, chance=0.2)
    row = stopping.by_check(flags(100), log, images(100)).iloc[0]
    assert row["next_errors"] == row["next_flags"] == 60


def test_errors_found_by_rank_do_not_vouch_for_the_rest(tmp_path):
    reviewed(tmp_path, range(50), [True] * 50, sample="ranked")
    log = reviewed(tmp_path, range(50, 100, 2), [False] * 25)
    row = stopping.by_check(flags(100), log, images(100)).iloc[0]
    assert row["next_flags"] == 25
    assert row["next_errors"] == bounds.most(0, 25, 50, alpha=0.025) > 0  # two bands share the 5 %


def test_a_bound_that_says_nothing_is_not_shown(tmp_path):
    at = range(0, 400, 2)
    log = reviewed(tmp_path, at, [i < 100 for i in at])
    table = stopping.by_check(flags(400), log, images(500))
    assert table["next_errors"].iloc[0] < table["next_flags"].iloc[0] == 100
    assert "of the next 100" in deciding.in_words(table)[0]
    (nothing,) = deciding.in_words(table.assign(next_errors=100.0, missed=None))
    assert "unreviewed flags" in nothing and "of the next" not in nothing
