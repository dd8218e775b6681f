"""Batches of labels that are accepted at once: the bound holds however one reviews, and what it takes to be offered."""

import numpy as np
import pandas as pd
import pytest

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.trust import batches
from imageclinic.cleaning.trust.reviews import Log, Reviews, bands
from tests.helpers.review_log import flags, images

N = 400
TOP_FIRST = np.arange(N)


def state(right, at, drawn, n=N):
    """Reviews of `n` flags after those `at` these positions were reviewed, in this order."""
    turn, weight = np.full(n, -1), np.zeros(n)
    turn[at] = np.arange(len(at))
    weight[at] = np.where(drawn, 2.0, 0.0)
    return Reviews(np.linspace(1, 0, n), bands(n), turn, right & (turn >= 0), weight, np.zeros(n, bool))


def next_of(at, order, n=50):
    """Which flags come next in this order."""
    return np.isin(np.arange(N), order[~np.isin(order, at)][:n])


def share_held(draws, rng, truth, review, order=TOP_FIRST):
    """In how many draws the true number is within the bound; in how many the batch is offered."""
    held = offered = 0
    for _ in range(draws):
        right = rng.random(N) < truth
        at, drawn = review(right)
        chosen = next_of(at, order)
        found = batches.of_batch(state(right, at, drawn), chosen)
        held += int((chosen & ~right).sum()) <= found.most
        offered += found.supported
    return held / draws, offered / draws


@pytest.mark.parametrize("wrong", [0.0, 0.02, 0.05, 0.1, 0.2, 0.5])
@pytest.mark.parametrize("n", [40, 160])
def test_the_bound_holds_for_random_reviews(wrong, n):
    rng = np.random.default_rng(1)
    held, offered = share_held(300, rng, 1 - wrong, lambda _: (rng.permutation(N)[:n], np.ones(n, bool)))
    assert held >= 0.93
    assert wrong < 0.2 or offered <= 0.01
    assert wrong or offered == (n > 40)


def test_the_bound_holds_where_lower_scores_are_worse():
    rng, truth = np.random.default_rng(2), 1 - 0.6 * np.arange(N) / N
    held, _ = share_held(300, rng, truth, lambda _: (rng.permutation(N)[:160], np.ones(160, bool)))
    assert held >= 0.93


@pytest.mark.parametrize("by_rank", [True, False])
def test_the_bound_holds_where_one_took_out_by_choice_what_is_right(by_rank):
    """100 random reviews, and then 200 from the top, or wherever a suggestion is right: the rest is poorer."""
    rng, order = np.random.default_rng(3), np.random.default_rng(4).permutation(N)

    def review(right):
        at = rng.permutation(N)[:100]
        liked = np.arange(N) if by_rank else np.argsort(rng.random(N) - right)
        by_hand = liked[~np.isin(liked, at)][:200]
        return np.concatenate([at, by_hand]), np.arange(300) < 100

    held, _ = share_held(300, rng, 0.96, review, order)
    assert held >= 0.93


def test_who_looks_after_every_review_until_it_is_offered_is_seldom_wrong():
    """A fifth more wrong ones than may be: of 200 reviewers some are offered a batch that holds more than the bound."""
    rng, broken, offered_of = np.random.default_rng(5), 0, {0.12: 0, 0.2: 0}
    for wrong in offered_of:
        for _ in range(100):
            right, order = rng.random(N) >= wrong, rng.permutation(N)[:100]
            for n in range(41, 101, 4):
                at = order[:n]
                chosen = next_of(at, TOP_FIRST)
                found = batches.of_batch(state(right, at, np.ones(n, bool)), chosen)
                if found.supported:
                    offered_of[wrong] += 1
                    broken += int((chosen & ~right).sum()) > found.most
                    break
    assert broken <= 0.05 * 200
    assert offered_of[0.2] <= 0.02 * 100


def test_too_few_to_tell():
    everything = np.ones(N, bool)
    at = np.arange(300, 330)
    found = batches.of_batch(state(everything, at, everything[:30]), next_of(at, TOP_FIRST))
    assert (found.n, found.reviews, found.wrong, found.needed) == (50, 30, 0, batches.reviews_needed(50))
    assert found.needed > 30 and not found.supported
    assert batches.reviews_needed(9) == 0
    by_hand = batches.of_batch(state(everything, at, ~everything[:30]), next_of(at, TOP_FIRST))
    assert by_hand.reviews == 0 and by_hand.most == 50
    assert not batches.of_batch(state(everything, at, everything[:30]), ~everything).supported


def test_reviews_above_the_batch_do_not_count_and_those_below_only_where_they_are_needed():
    right = np.arange(N) < 200  # the lower half is wrong
    at = np.concatenate([np.arange(0, 60), np.arange(100, 200, 2), np.arange(200, 400, 4)])
    found = batches.of_batch(state(right, at, np.ones(len(at), bool)), next_of(at, TOP_FIRST))
    assert (found.reviews, found.wrong) == (50, 0) and found.supported
    at = at[:-80]  # of the scores of the batch only 20 are left
    found = batches.of_batch(state(right, at, np.ones(len(at), bool)), next_of(at, TOP_FIRST))
    assert (found.reviews, found.wrong) == (20, 0) and not found.supported
    at = np.concatenate([at, np.arange(200, 400, 4)])
    found = batches.of_batch(state(right, at, np.ones(len(at), bool)), next_of(at, TOP_FIRST))
    assert (found.reviews, found.wrong) == (45, 25) and found.most > 25


def test_a_suggestion_is_wrong_where_a_person_kept_dropped_or_chose_another_label(tmp_path):
    suggesting = flags(100).assign(suggested_label="y")
    random = {"sample": "random", "inclusion_prob": 0.5, "reviewer": "ann"}
    answers = [("relabel", "y"), ("relabel", "z"), ("keep", None), ("drop", None), ("unsure", None)]
    rows = [
        {"image_id": f"{90 + i:04}", "decision": d, "label": to, "confirmed": to and "mislabeled", **random}
        for i, (d, to) in enumerate(answers)
    ]
    rows.append({"image_id": "0060", "decision": "relabel", "label": "y", "reviewer": "ann"})  # accepted in a batch
    decision_log.append(tmp_path / "log.csv", pd.DataFrame(rows))
    known = Log(decision_log.read(tmp_path / "log.csv"), images(100))
    found = batches.expected(suggesting, [f"{i:04}" for i in range(50)], known)
    assert (found.n, found.reviews, found.wrong) == (50, 4, 3)
    names, about = known.about_suggestions(suggesting)
    assert "0060" not in set(names) and about.right.sum() == 1
