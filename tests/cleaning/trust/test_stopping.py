"""Intervals that cover, bounds that hold at every look however one reviews, and the words for them."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from benchmarks import reviewers
from benchmarks.show import wilson
from imageclinic.cleaning.trust import bounds, estimates, trust_summary
from imageclinic.cleaning.trust.estimates import by_check
from imageclinic.core import run as run_folder
from imageclinic.core.errors import InputError
from tests.helpers.review_log import flags, images, reviewed
from tests.parts import lacking


def sample(rng, right, n, *, by_rank=0, order=None):
    """Positions in the order of review, and which were drawn: `n` at random and `by_rank` by rank, in ten turns."""
    left, order, at, drawn = list(rng.permutation(len(right))), list(order if order is not None else []), [], []
    for turn in range(10):
        for queue, count in ((left, n), (order, by_rank)):
            for _ in range(count * (turn + 1) // 10 - count * turn // 10):
                at.append(next(i for i in queue if i not in at))
                drawn.append(queue is left)
    return np.array(at), np.array(drawn)


@pytest.mark.parametrize(("size", "n"), [(4000, 30), (4000, 100), (300, 30), (300, 200)])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.15, 0.5])
def test_the_interval_covers_what_a_simple_sample_left_and_is_not_wide(size, n, share):
    """Exactly, over all numbers of errors that may turn up among `n` of `size`."""
    errors, covered, width, plain = round(share * size), 0.0, 0.0, 0.0
    effective = 1 / (1 / n + 1 / (size - n))
    for found, chance in enumerate(hypergeom.pmf(np.arange(min(n, errors) + 1), size, errors, n)):
        right = np.arange(n) < found
        _, low, high = bounds.rest(right, np.full(n, size / n), np.zeros(n, np.int64), np.array([size]))
        covered += chance * (low <= (errors - found) / (size - n) <= high)
        width += chance * (high - low)
        plain += chance * np.subtract(*wilson(found / n * effective, effective)[::-1])
    assert covered >= 0.93
    assert width <= 1.3 * plain


@pytest.mark.parametrize("n", [30, 100])
def test_the_interval_covers_over_bands_that_differ(n):
    """200 times 1,000 flags, the worst of them the most often right, in four bands."""
    rng, covered, band = np.random.default_rng(1), 0, np.arange(1000) // 250
    for _ in range(200):
        right = rng.random(1000) < 0.9 * (1 - np.arange(1000) / 1000) ** 2
        drawn = rng.permutation(1000)[:n]
        _, low, high = bounds.rest(right[drawn], np.full(n, 1000 / n), band[drawn], np.bincount(band))
        covered += low <= np.delete(right, drawn).mean() <= high
    assert covered >= 0.93 * 200


def test_the_interval_covers_what_a_reviewer_left_who_went_by_a_better_order():
    """An order that knows more than the score takes the errors out between the draws: what is left is poorer."""
    rng, covered, band = np.random.default_rng(2), 0, np.arange(400) // 100
    for _ in range(200):
        right = rng.random(400) < 0.5
        at, drawn = sample(rng, right, 60, by_rank=80, order=np.argsort(rng.random(400) - right))
        weight = np.where(drawn, 400 / 60, 0.0)
        _, low, high = bounds.rest(right[at], weight, band[at], np.bincount(band))
        covered += low <= np.delete(right, at).mean() <= high
    assert covered >= 0.91 * 200


@pytest.mark.parametrize("share", [0.02, 0.3])
@pytest.mark.parametrize("by_rank", [0, 60])
def test_the_bound_on_what_is_left_holds_at_every_look(share, by_rank):
    """200 reviewers of 300 flags, who look after each review, and go by a good order between the draws."""
    rng, broken = np.random.default_rng(3), 0
    for _ in range(200):
        right = rng.random(300) < share
        at, drawn = sample(rng, right, 60, by_rank=by_rank, order=np.argsort(rng.random(300) - right))
        left = right.sum() - np.concatenate([[0], np.cumsum(right[at])])
        broken += bool((bounds.remaining(right[at], drawn, 300) < left).any())
    assert broken <= 16  # of 10 that are due


def test_the_bound_at_its_ends():
    nothing, every = np.zeros(0, bool), np.ones(50, bool)
    assert bounds.remaining(nothing, nothing, 50).tolist() == [50]
    assert bounds.remaining(np.arange(50) < 3, every, 50)[-1] == 0
    none = bounds.remaining(np.zeros(200, bool), np.ones(200, bool), 400)
    assert 0 < none[-1] < none[100] < none[20] < 380
    # What was chosen says nothing about the rest.
    assert bounds.remaining(np.zeros(20, bool), np.zeros(20, bool), 50)[-1] == 30


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_a_review_by_rank_is_not_stopped_early(share):
    """300 reviewers who look after every flag of a list that does not get worse: the least favourable of those that do
    not get better."""
    rng, early, stopped = np.random.default_rng(4), 0, []
    for _ in range(300):
        right = rng.random(1000) < share
        looks = range(0, 1001, 25)  # the bound changes at these only
        found = [bounds.following(right[:n], 1000) for n in looks]
        early += min(found) < share
        stopped.append(next((n for n, bound in zip(looks, found, strict=True) if bound < share + 0.1), 1000))
    assert early <= 15
    assert np.median(stopped) < 500


def test_following_needs_a_hundred_reviews_and_changes_every_25():
    right = np.zeros(199, bool)
    assert bounds.following(right[:99], 500) == 1.0
    assert bounds.following(right[:100], 500) == bounds.following(right[:124], 500) < 0.15
    assert bounds.following(np.ones(100, bool), 500) == 1.0


def test_a_sequence_ends_with_the_first_that_fails():
    assert bounds.lowest([0.1, 0.15, 0.3, 0.1], 0.2) == 1
    assert bounds.lowest([0.3, 0.1], 0.2) is None
    assert bounds.lowest([0.1, 0.1], 0.2) == 1
    assert bounds.lowest([float("nan"), 0.1], 0.2) is None


def test_weak_scores_are_seldom_named_where_there_are_none():
    """50 reviewers of 200 flags in four bands, of which in each 20 in 100 are right."""
    rng, named = np.random.default_rng(5), 0
    for _ in range(50):
        right = np.concatenate([rng.permutation(50) < 10 for _ in range(4)])
        named += reviewers.named_wrongly(right, 20, rng)
    assert named <= 6  # of 2.5 that are due


def test_a_check_that_finds_less_and_less_is_stopped_and_its_weak_scores_are_named(tmp_path):
    log = reviewed(tmp_path, range(0, 400, 2), [i < 100 for i in range(0, 400, 2)])
    row = by_check(flags(400), log, images(500)).iloc[0]
    assert row["weak_below"] == pytest.approx(flags(400)["score"][100])
    assert row["next_errors"] > 50 and not row["stop"]
    log = reviewed(tmp_path, range(1, 300, 2), [i < 100 for i in range(1, 300, 2)], sample="ranked")
    row = by_check(flags(400), log, images(500)).iloc[0]
    assert row["next_flags"] == 50 and row["next_errors"] < 0.2 * 50 and row["stop"]
    assert not by_check(flags(400), log, images(500), worth=1).iloc[0]["stop"]


def test_random_reviews_alone_stop_a_short_list(tmp_path):
    row = by_check(flags(60), reviewed(tmp_path, range(0, 60, 2), [False] * 30), images(60)).iloc[0]
    assert row["next_flags"] == 30 and 0 < row["next_errors"] < 8
    assert by_check(flags(60), reviewed(tmp_path, [1], [False]), images(60), worth=30).iloc[0]["stop"]


def test_random_reviews_that_contradict_the_order_keep_it_going(tmp_path):
    """The highest 200 flags are wrong, the others right: a lower score is not worse here."""
    reviewed(tmp_path, range(200, 400, 4), [True] * 50)
    log = reviewed(tmp_path, range(200), [False] * 200, sample="ranked")
    row = by_check(flags(400), log, images(400)).iloc[0]
    assert row["next_errors"] > 80 and not row["stop"]


def test_chances_that_differ_name_no_weak_scores(tmp_path):
    reviewed(tmp_path, range(0, 100, 2), [False] * 50, chance=0.5)
    log = reviewed(tmp_path, range(1, 100, 2), [False] * 50, chance=0.2)
    assert np.isnan(by_check(flags(120), log, images(120)).iloc[0]["weak_below"])


def test_the_words(tmp_path):
    log = reviewed(tmp_path, range(0, 400, 2), [i < 100 for i in range(0, 400, 2)])
    log = reviewed(tmp_path, range(400, 500, 2), [False] * 50)
    dataset = images(500)

    def advice(log, at=20):
        return trust_summary.lines(
            by_check(flags(400), log, dataset, at), estimates.unflagged(flags(400), log, dataset), at
        )

    left, missed, stop, weak, others = advice(log)
    assert not lacking(left, "mislabeled:", "200 flags", "25%")
    assert not lacking(missed, "mislabeled:", "not flag", "0.0% (0.0% to 16.0%)", "wrong label")
    assert not lacking(stop, "mislabeled: go on:", "84 of the next 100", "below 20")
    assert not lacking(weak, "mislabeled:", "0.87", "20 in 100")
    assert not lacking(others, "100 images that no check flagged", "0.0%")
    log = reviewed(tmp_path, range(1, 300, 2), [i < 100 for i in range(1, 300, 2)], sample="ranked")
    assert any(not lacking(line, "you can stop", "2 of the next 50") for line in advice(log))
    assert any(line.startswith("mislabeled: go on: at most 2") for line in advice(log, 3))
    log = reviewed(tmp_path, range(301, 400, 2), [False] * 50, sample="ranked")
    assert advice(log)[0] == "mislabeled: every flag was reviewed."
    assert advice(log.head(0)) == []


def test_where_to_stop_is_kept_with_the_run(tmp_path):
    run = run_folder.create(tmp_path / "run")
    assert trust_summary.worth(run) == 20
    trust_summary.set_worth(run, 2.5)
    assert trust_summary.worth(run) == 2.5
    for bad in (0, 101, float("nan")):
        with pytest.raises(InputError, match="above 0, up to 100"):
            trust_summary.set_worth(run, bad)
    assert trust_summary.worth(run) == 2.5
    run.stopping.write_text("[]")
    with pytest.raises(InputError, match="--stop-below"):
        trust_summary.worth(run)


def test_the_table_says_too_few_instead_of_an_interval_that_says_nothing(tmp_path):
    def table(log):
        return trust_summary.rows(by_check(flags(400), log, images(500), 20))

    few = table(reviewed(tmp_path, [0], [True]))
    assert few == [["mislabeled", trust_summary.TOO_FEW, trust_summary.TOO_FEW]]
    log = reviewed(tmp_path, range(1, 400, 2), [i < 100 for i in range(1, 400, 2)])
    ((name, right, missed),) = table(log)
    assert (name, right[:3], missed) == ("mislabeled", "25%", trust_summary.TOO_FEW)
    assert table(log.head(0)) == []
