"""What may be claimed from a few seeds and a few test images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from imageclinic.core.errors import InputError
from imageclinic.training.compare.intervals import delta_interval, mcnemar_tables


def _draw(
    rng: np.random.Generator, seeds: int, clusters: int, copies: int, seed_sd: float, image_sd: float, gain: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Right or wrong of two models, from a latent score: each image's difficulty, what each model makes of the
    image (shared by its copies), what each run adds, and noise. Without `gain` the models are equally good."""
    cluster = np.repeat(np.arange(clusters), copies)
    difficulty = rng.normal(size=clusters)[cluster]
    found = []
    for shift in (0.0, gain):
        model = image_sd * rng.normal(size=clusters)[cluster]
        run = seed_sd * rng.normal(size=(seeds, 1))
        noise = 0.3 * rng.normal(size=(seeds, len(cluster)))
        found.append(difficulty + model + run + noise + 1 + shift > 0)
    return found[0], found[1], cluster


@pytest.mark.parametrize(
    ("seed_sd", "image_sd", "copies"),
    [(0.02, 0.4, 1), (0.2, 0.2, 1), (0.3, 0.05, 1), (0.1, 0.4, 4)],
    ids=["images dominate", "even", "seeds dominate", "clusters of four"],
)
def test_the_interval_covers_the_truth_as_often_as_it_claims(seed_sd: float, image_sd: float, copies: int) -> None:
    rng = np.random.default_rng(7)
    covered = gained = 0
    for _ in range(300):
        a, b, clusters = _draw(rng, 5, 400 // copies, copies, seed_sd, image_sd, 0.0)
        interval = delta_interval(a, b, clusters)
        covered += interval.low <= 0 <= interval.high
        gained += interval.low > 0
    assert covered / 300 >= 0.92
    assert gained / 300 <= 0.05


def test_seeds_alone_would_claim_too_much() -> None:
    """Why the images' variance is in: the same draws, judged by their seeds alone."""
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(200):
        a, b, _ = _draw(rng, 5, 400, 1, 0.02, 0.4, 0.0)
        means = (b.astype(float) - a).mean(axis=1)
        half = stats.t.ppf(0.975, 4) * means.std(ddof=1) / 5**0.5
        covered += abs(means.mean()) <= half
    assert covered / 200 < 0.8


def test_a_real_gain_is_found_and_its_mirror_image_is_worse() -> None:
    a, b, clusters = _draw(np.random.default_rng(0), 5, 2000, 1, 0.02, 0.1, 0.5)
    gain, loss = delta_interval(a, b, clusters), delta_interval(b, a, clusters)
    assert (gain.verdict, loss.verdict) == ("gain", "worse")
    assert gain.estimate == pytest.approx(np.mean(b) - np.mean(a))
    assert (loss.low, loss.high) == pytest.approx((-gain.high, -gain.low))
    assert gain.half_width == pytest.approx((gain.high - gain.low) / 2)


def test_the_same_model_twice_shows_no_gain() -> None:
    a, _, clusters = _draw(np.random.default_rng(0), 3, 50, 1, 0.1, 0.1, 0.0)
    interval = delta_interval(a, a, clusters)
    assert (interval.estimate, interval.low, interval.high) == (0, 0, 0)
    assert interval.verdict == "no gain shown"


def test_copies_are_not_independent_images() -> None:
    a, b, clusters = _draw(np.random.default_rng(1), 5, 100, 5, 0.02, 0.4, 0.0)
    assert delta_interval(a, b, clusters).half_width > 1.5 * delta_interval(a, b, np.arange(500)).half_width


def test_variances_by_hand() -> None:
    a = np.array([[0, 0, 0, 0], [0, 0, 0, 0]], bool)
    b = np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool)
    interval = delta_interval(a, b, np.array(list("wxyz")))
    assert interval.estimate == 3 / 8
    assert interval.seed_variance == pytest.approx(np.var([0.5, 0.25], ddof=1) / 2)
    # Leaving one of n equal clusters out, the jackknife variance is the usual s²/n.
    assert interval.image_variance == pytest.approx(np.var([1, 0.5, 0, 0], ddof=1) / 4)
    half = stats.t.ppf(0.975, 1) * (interval.seed_variance + interval.image_variance) ** 0.5
    assert interval.half_width == pytest.approx(half)


def _all_one_way(changed: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    a = np.zeros((5, 500), bool)
    b = a.copy()
    b[:, :changed] = True
    return a, b


def test_a_handful_of_changed_predictions_is_no_claim() -> None:
    for changed in range(1, 7):
        assert delta_interval(*_all_one_way(changed), np.arange(500)).verdict == "no gain shown"
    for changed in (7, 50):
        assert delta_interval(*_all_one_way(changed), np.arange(500)).verdict == "gain"


def test_freedom_comes_from_the_variance_that_dominates() -> None:
    images = delta_interval(*_draw(np.random.default_rng(2), 5, 400, 1, 0.0, 0.5, 0.0))
    seeds = delta_interval(*_draw(np.random.default_rng(2), 5, 400, 1, 1.0, 0.0, 0.0))
    few = delta_interval(*_draw(np.random.default_rng(2), 4, 400, 1, 0.0, 0.5, 0.0))
    assert images.freedom > 30
    assert 4 <= seeds.freedom < 6
    assert few.freedom == 3


@pytest.mark.parametrize(
    ("shape", "clusters", "problem"),
    [((1, 4), [0, 1, 2, 3], "one seed"), ((3, 4), [0, 0, 0, 0], "1 cluster"), ((3, 4), [0, 1], "shape")],
)
def test_too_little_for_an_interval(shape: tuple[int, int], clusters: list[int], problem: str) -> None:
    table = np.zeros(shape, bool)
    with pytest.raises(InputError, match=problem):
        delta_interval(table, table, np.array(clusters))


def test_mcnemar_tables() -> None:
    a = np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool)
    b = np.array([[1, 0, 1, 0], [0, 1, 1, 0]], bool)
    assert mcnemar_tables(a, b).tolist() == [[1, 1, 1, 1], [0, 1, 2, 1]]
