"""Principal components that are found in pieces."""

from __future__ import annotations

import numpy as np
import pytest

from imageclinic.audit import principal_axes


def vectors() -> np.ndarray:
    return np.random.default_rng(1).normal(1, np.linspace(0.2, 3, 40), (603, 40)).astype(np.float32)


def test_axes_of_pieces_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = principal_axes.evened_axes(vectors())
    monkeypatch.setattr(principal_axes, "_PIECE", 64)
    parts = principal_axes.evened_axes(vectors())
    for one, two in zip(whole, parts, strict=True):
        np.testing.assert_allclose(np.abs(one), np.abs(two), atol=1e-6)


@pytest.mark.parametrize("n", [603, 30])  # more than the width, and fewer
def test_spreads_are_the_variances_along_the_axes(n: int) -> None:
    given = vectors()[:n]
    mean, axes, spread = principal_axes.principal_axes(given, unit=True)
    unit = given / np.linalg.norm(given, axis=1, keepdims=True)
    np.testing.assert_allclose(((unit - mean) @ axes).var(axis=0), spread, rtol=1e-4)
    assert (np.diff(spread) <= 0).all()
    assert axes.shape == (40, 6 if n == 30 else 40)
