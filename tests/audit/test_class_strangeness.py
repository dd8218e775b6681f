"""How strange vectors are to their class: in the midst of a wide one, copies, samples, and sets without spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from imageclinic.audit import bulk_distances, class_strangeness
from imageclinic.core.engines.piece_map import Arrays, Work, here
from imageclinic.core.progress import Progress


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_reach_is_the_distance_of_a_twentieth_of_the_own_class() -> None:
    vectors = np.random.default_rng(0).normal(0.4, 1, (301, 12)).astype(np.float32)
    codes = np.r_[np.arange(300) % 2, 2]
    found = class_strangeness.reach(unit(vectors), codes)
    mates = unit(vectors[codes == 1])
    apart = 1 - mates @ mates.T
    np.fill_diagonal(apart, np.inf)
    np.testing.assert_allclose(found[codes == 1], np.sort(apart, axis=1)[:, 7], atol=1e-6)  # of 150 the eighth other
    assert found[300] == pytest.approx(0, abs=1e-6)  # nobody else is in its class


def test_new_vectors_are_measured_by_their_class_of_the_set() -> None:
    rng = np.random.default_rng(1)
    vectors, new = (rng.normal(0.4, 1, (n, 12)).astype(np.float32) for n in (300, 40))
    codes, new_codes = np.arange(300) % 3, np.arange(40) % 2
    found = class_strangeness.reach_of_new(unit(vectors), codes, unit(new), new_codes)
    apart = 1 - unit(new) @ unit(vectors).T
    expected = [np.sort(apart[i][codes == new_codes[i]])[4] for i in range(40)]  # of 100 the fifth
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert class_strangeness.reach_of_new(unit(vectors), codes, unit(new)[:0], new_codes[:0]).shape == (0,)


def test_large_classes_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(np.random.default_rng(2).normal(0.4, 1, (2000, 6)).astype(np.float32))
    codes = np.zeros(2000, np.intp)
    (exact,) = bulk_distances.reaches(vectors, [bulk_distances.Group(np.arange(2000), 0.05)])
    monkeypatch.setattr(class_strangeness, "_MOST", 400)
    compared: list[tuple[int, int]] = []

    def counted(work: Work, arrays: Arrays, pieces: Sequence[Any], *, images: int, progress: Progress | None = None):
        compared.append((len(arrays["rows"]), len(arrays["references"])))
        return here(work, arrays, pieces, images=images, progress=progress)

    sampled = class_strangeness.reach(vectors, codes, counted)
    assert compared == [(2000, 400)]
    assert np.abs(np.log(sampled / exact)).mean() < 0.15
    assert np.corrcoef(sampled, exact)[0, 1] > 0.9


def test_a_stranger_in_the_midst_of_a_wide_class_is_strange() -> None:
    rng = np.random.default_rng(3)
    distance = np.append(np.exp(rng.normal(0, 0.1, 999)), 1.0)  # as far from the mean as the median
    reach = np.append(np.exp(rng.normal(0, 0.2, 999)), np.exp(1.2))  # but six deviations from all members
    heights = class_strangeness.scale(distance, reach).heights(distance, reach)
    assert heights.argmax() == 999
    assert heights[999] == pytest.approx(0.6, rel=0.15)  # six deviations of the distance, whose logarithm has one of .1
    alone = class_strangeness.scale(distance, np.ones(1000)).heights(distance, np.ones(1000))
    assert alone[999] == pytest.approx(0, abs=1e-2)


def test_what_does_not_vary_has_no_say() -> None:
    distance = np.exp(np.random.default_rng(4).normal(0, 0.3, 500))
    same = np.full(500, 7.0)
    for first, second in ((distance, same), (same, distance)):
        heights = class_strangeness.scale(first, second).heights(first, second)
        np.testing.assert_allclose(heights, np.log(distance) - np.median(np.log(distance)), atol=1e-12)
    assert (class_strangeness.scale(same, same).heights(same, same) == 0).all()


def test_copies_have_no_endless_depth_and_scales_are_kept() -> None:
    rng = np.random.default_rng(5)
    distance, reach = np.exp(rng.normal(0, 0.3, 400)), np.exp(rng.normal(0, 0.2, 400))
    reach[:30] = 0.0
    scale = class_strangeness.scale(distance, reach)
    heights = scale.heights(distance, reach)
    assert np.isfinite(heights).all()
    np.testing.assert_array_equal(scale.heights(distance[:5], reach[:5]), heights[:5])  # others are judged as the set's
    far, apart = scale.times(distance, reach)
    np.testing.assert_allclose([np.median(far), np.median(apart)], 1, rtol=0.01)
    np.testing.assert_allclose(far, distance / np.median(distance), rtol=0.01)
