"""Distance to the own class: strangers, alike or not, a class that is small, and the order of rows."""

from __future__ import annotations

import numpy as np
import pytest

from imageclinic.audit import class_distance


def planted(alike: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """600 vectors of three classes and `alike` of another kind, which are labelled at random."""
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(600) % 3, rng.integers(0, 3, alike)])
    vectors = rng.normal(0, np.linspace(1, 0.1, 60), (600 + alike, 60))
    vectors[:, 0] += 30  # so that length says next to nothing
    vectors[np.arange(600), 1 + codes[:600]] += 2
    vectors[600:, 30] += 6
    return vectors.astype(np.float32), codes


def test_many_that_are_alike_do_not_become_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, codes = planted(24)
    rows, nothing_known = np.arange(624), np.zeros(624)
    # That they seem strange beforehand need not be sure: every third does not.
    hint = np.where((rows >= 600) & (rows % 3 > 0), 1.0, 0.0)
    found = class_distance.distances(vectors, rows, codes, hint).own
    assert found[600:].min() > np.quantile(found[:600], 0.99)
    monkeypatch.setattr(class_distance, "_LEFT_OUT", 0.0)
    stretched = class_distance.distances(vectors, rows, codes, nothing_known).own
    assert np.median(stretched[600:]) < np.median(found[600:]) / 1.5


def test_held_out_vectors_are_as_far_as_new_ones() -> None:
    rng = np.random.default_rng(5)
    vectors = np.column_stack([np.full(400, 30.0), rng.normal(0, 1, (400, 60))]).astype(np.float32)
    found = class_distance.distances(vectors, np.arange(400), np.zeros(400, np.intp), np.zeros(400)).own
    # Those that were learnt from would lie at most at the square root of 60 on average.
    assert np.mean(found**2) > 60 * 1.1


def test_a_class_has_its_own_mean() -> None:
    vectors, codes = planted(24)
    hint = np.zeros(624)
    codes[600:] = 3
    own = class_distance.distances(vectors, np.arange(624), codes, hint).own
    assert np.median(own[600:]) < 1.5 * np.median(own[:600])


def test_scale_is_nothing_and_alike_vectors_are_at_zero() -> None:
    vectors, codes = planted(6)
    rows, hint = np.arange(606), np.linspace(0, 1, 606)
    once = class_distance.distances(vectors, rows, codes, hint).own
    longer = class_distance.distances(
        vectors * np.linspace(1, 9, 606, dtype=np.float32)[:, None], rows, codes, hint
    ).own
    np.testing.assert_allclose(once, longer, rtol=1e-3)
    same = class_distance.distances(
        np.ones((50, 8), np.float32), np.arange(50), np.zeros(50, np.intp), np.zeros(50)
    ).own
    assert (same == 0).all()


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, codes = planted(12)
    rows, hint = np.random.default_rng(2).permutation(612)[:500], np.linspace(0, 1, 500)
    whole = class_distance.distances(vectors, rows, codes[rows], hint).own
    monkeypatch.setattr(class_distance, "_PIECE", 37)
    np.testing.assert_allclose(class_distance.distances(vectors, rows, codes[rows], hint).own, whole, rtol=1e-4)


def test_another_class_is_farther_where_classes_differ() -> None:
    vectors, codes = planted(0)
    found = class_distance.distances(vectors, np.arange(600), codes, np.zeros(600))
    assert (found.own < found.other).mean() > 0.9
    mixed = class_distance.distances(
        vectors, np.arange(600), np.random.default_rng(1).permutation(codes), np.zeros(600)
    )
    assert 0.4 < (mixed.own < mixed.other).mean() < 0.6
    one = class_distance.distances(vectors, np.arange(600), np.zeros(600, np.intp), np.zeros(600))
    np.testing.assert_array_equal(one.own, one.other)


def test_those_known_to_be_strange_are_in_no_core() -> None:
    vectors, codes = planted(120)  # more than the share that is left out of a core anyway
    strange = np.arange(720) >= 600
    unknown = class_distance.distances(vectors, np.arange(720), codes, np.zeros(720)).own
    known = class_distance.distances(vectors, np.arange(720), codes, np.zeros(720), strange=strange).own
    assert known[600:].min() > known[:600].max() > 0
    assert np.median(unknown[600:]) < np.median(known[600:]) / 1.5


def test_a_sets_own_are_measured_as_new_ones_are() -> None:
    vectors, codes = planted(24)
    rng = np.random.default_rng(7)
    # 300 of the 600 are the set, the others are new; a fifth as many components as vectors fit their own noise.
    known, new = np.split(rng.permutation(600), 2)
    wide = np.column_stack([vectors, rng.normal(0, 0.3, (624, 300)).astype(np.float32)])
    usual, own = class_distance.usual(wide, known, codes[known], np.zeros(300))
    found = usual.distances(wide[new], codes[new])
    assert np.median(found) == pytest.approx(np.median(own.own), rel=0.02)
    within = class_distance.distances(wide, known, codes[known], np.zeros(300)).own
    assert np.median(within) < 0.9 * np.median(found), "held-out covariances alone are not enough"
    assert usual.distances(wide[600:], codes[600:]).min() > np.quantile(found, 0.99)
    another = usual.distances(wide[new], (codes[new] + 1) % 3)
    assert np.mean(another > found) > 0.8 and np.mean(own.own < own.other) > 0.8
    assert usual.distances(wide[:0], codes[:0]).shape == (0,)


def test_new_vectors_of_a_set_without_differences_are_at_zero() -> None:
    usual, own = class_distance.usual(np.ones((50, 8), np.float32), np.arange(50), np.zeros(50, np.intp), np.zeros(50))
    assert usual.distances(np.ones((3, 8), np.float32), np.zeros(3, np.intp)).tolist() == [0, 0, 0]
    assert not own.own.any() and not own.other.any()
