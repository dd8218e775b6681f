"""The map of embeddings: neighbours stay neighbours, the same seed draws the same map, few images are no problem."""

from __future__ import annotations

import numpy as np
import pytest

from imageclinic.training.embed.flat_map import flat_map

RNG = np.random.default_rng(5)
CENTRES = RNG.standard_normal((3, 40)) * 4
GROUP = np.arange(90) % 3
VECTORS = (CENTRES[GROUP] + RNG.standard_normal((90, 40))).astype(np.float32)


@pytest.mark.parametrize("most", [90, 45])
def test_what_is_alike_lies_together(most: int) -> None:
    points = flat_map(VECTORS, seed=1, most=most)
    assert points.dtype == np.float32 and points.shape == (90, 2)
    assert points.min() >= -1e-6 and points.max() <= 1 + 1e-6
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + 9 * np.eye(90)
    assert (GROUP[distances.argmin(axis=1)] == GROUP).all()
    assert np.array_equal(points, flat_map(VECTORS, seed=1, most=most))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_few_images_and_equal_ones_have_places(n: int) -> None:
    for vectors in (VECTORS[:n], np.zeros((n, 40), np.float32)):
        points = flat_map(vectors, seed=0)
        assert points.shape == (n, 2) and np.isfinite(points).all()
