"""Chances of usual members: known tails, strangers in them, units, and the share of false discoveries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from imageclinic.audit import tail_chances


@pytest.mark.parametrize("tail", [stats.norm(3, 0.2), stats.gennorm(1.4, 0, 2), stats.gennorm(2.8, 1, 5)])
def test_chances_are_those_of_the_distribution(tail: stats.rv_continuous) -> None:
    heights = tail.rvs(4000, random_state=1)
    found = tail_chances.chances(heights)
    for chance in (0.05, 0.01, 0.001, 0.0001):
        at = np.abs(heights - tail.isf(chance)).argmin()  # of the nearest image to that quantile
        assert tail.sf(heights[at]) / 5 < found[at] < tail.sf(heights[at]) * 5


def test_strangers_neither_stretch_the_tail_nor_make_it_long() -> None:
    usual = np.random.default_rng(2).normal(0, 1, 2000)
    strangers = np.random.default_rng(3).normal(5, 0.3, 60)
    alone = tail_chances.chances(usual)
    both = tail_chances.chances(np.concatenate([usual, strangers]))
    high = np.flatnonzero(usual > 2)
    assert np.all(both[high] < 4 * alone[high])
    assert both[2000:].max() < 1e-3
    flagged = tail_chances.too_unlikely(both, 0.1)
    assert flagged[2000:].all() and flagged[:2000].sum() <= 0.1 * 60 * 2
    assert not tail_chances.too_unlikely(alone, 0.1).any()


def test_many_odd_members_make_a_long_tail() -> None:
    long = stats.laplace(0, 1).rvs(3000, random_state=5)
    spread = tail_chances.deviation(long)
    at = np.abs(long - 3.5 * spread).argmin()
    assert tail_chances.chances(long)[at] > 3 * stats.norm(0, spread).sf(long[at])


def test_unit_and_place_are_nothing() -> None:
    heights = np.random.default_rng(4).gamma(3, 1, 900)
    np.testing.assert_allclose(tail_chances.chances(heights), tail_chances.chances(70 * heights - 9), rtol=1e-6)


def test_values_without_a_tail_are_usual() -> None:
    assert (tail_chances.chances(np.full(400, 2.0)) == 1).all()
    assert (tail_chances.chances(np.repeat([0.0, 100.0], [391, 9])) == 1).all()


def test_false_discoveries_are_those_of_the_published_example() -> None:
    # Benjamini & Hochberg (1995), section 4: at .05 the first four are significant.
    published = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    published += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    draw = np.random.default_rng(0).permutation(15)
    found = tail_chances.too_unlikely(np.array(published)[draw], 0.05)
    assert set(draw[found]) == {0, 1, 2, 3}
    assert tail_chances.too_unlikely(np.array(published), 1).all()
    assert not tail_chances.too_unlikely(np.array(published), 0).any()


def test_a_single_one_need_not_be_that_sure() -> None:
    chance = np.linspace(0.01, 1, 1000)
    chance[7] = 0.0004  # of 1,000 usual ones .4 lie so far: as many as of three flags .15 would be
    assert np.flatnonzero(tail_chances.too_unlikely(chance, 0.15)).tolist() == [7]
    chance[7] = 0.0005
    assert not tail_chances.too_unlikely(chance, 0.15).any()


def test_what_was_learnt_from_a_set_judges_others() -> None:
    heights, others = np.random.default_rng(6).gamma(3, 1, (2, 3000))
    tail = tail_chances.fit(heights)
    np.testing.assert_array_equal(tail.chances(heights), tail_chances.chances(heights))
    found = tail.chances(others)
    for chance in (0.1, 0.01):  # of 3,000 others so many are that unlikely
        assert chance / 2 < (found < chance).mean() < 2 * chance
    assert tail.chances(np.array([heights.max() * 3]))[0] < 1e-4
    assert (tail_chances.fit(np.full(50, 2.0)).chances(np.array([1.0, 2.0, 9.0])) == 1).all()


def test_a_single_one_has_to_be_as_sure_as_in_a_set() -> None:
    assert tail_chances.too_unlikely(np.array([0.3]), 0.15).tolist() == [True]
    assert tail_chances.too_unlikely(np.array([0.3]), 0.15, least=300).tolist() == [False]
    limit = 0.15 * 3 / 300
    single = tail_chances.too_unlikely(np.array([limit * 0.99]), 0.15, least=300)
    assert single.tolist() == [True]
    assert tail_chances.too_unlikely(np.array([limit * 1.01]), 0.15, least=300).tolist() == [False]
    many = np.random.default_rng(0).uniform(size=400) ** 3
    assert np.array_equal(tail_chances.too_unlikely(many, 0.15), tail_chances.too_unlikely(many, 0.15, least=300))
