"""Outliers when there are more images than distances are measured to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imageclinic.audit import listed_neighbours
from imageclinic.audit.checks import outlier
from imageclinic.core.tables import Embeddings


def embeddings(seed: int = 0) -> Embeddings:
    """600 vectors in a crowd and three that point elsewhere, each in another direction."""
    rng = np.random.default_rng(seed)
    crowd = np.concatenate([np.full((600, 1), 4.0), rng.normal(0, 0.4, (600, 39))], axis=1)
    strange = np.zeros((3, 40))
    strange[[0, 1, 2], [10, 20, 30]] = 6
    vectors = np.concatenate([crowd, strange]).astype(np.float32)
    return Embeddings(pd.Series([f"{i:04}" for i in range(len(vectors))]), vectors)


def test_those_of_a_large_set_are_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    given = embeddings()
    strange = {"0600", "0601", "0602"}
    exact = outlier.find(given)
    assert strange <= set(exact["image_id"])
    monkeypatch.setattr(outlier, "_COMPARED", 150)
    monkeypatch.setattr(listed_neighbours, "DRAWN", 300)
    found = outlier.find(given)
    assert strange <= set(found["image_id"])
    assert len(found) < 20
    scores = [table.set_index("image_id")["score"][sorted(strange)] for table in (exact, found)]
    np.testing.assert_allclose(scores[0], scores[1], atol=0.02)


def test_vectors_that_are_all_alike_have_no_outlier() -> None:
    same = Embeddings(pd.Series([str(i) for i in range(50)]), np.ones((50, 8), np.float32))
    assert outlier.find(same).empty


def test_axes_of_pieces_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = embeddings(1).vectors
    whole = outlier.evened_axes(vectors)
    monkeypatch.setattr(outlier, "_PIECE", 64)
    parts = outlier.evened_axes(vectors)
    for one, two in zip(whole, parts, strict=True):
        np.testing.assert_allclose(np.abs(one), np.abs(two), atol=1e-6)


def test_distances_in_lists_are_never_too_small_and_exact_for_the_farthest(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    spread = rng.uniform(0.2, 1, (3000, 1))
    vectors = rng.normal(0, 1, (8, 16))[rng.integers(0, 8, 3000)] + rng.normal(0, 1, (3000, 16)) * spread
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -2)
    exact = 1 - np.sort(alike, axis=1)[:, -20:].mean(axis=1)
    monkeypatch.setattr(listed_neighbours, "COMPARED", 4)
    monkeypatch.setattr(listed_neighbours, "DRAWN", 200)
    found, exactly, drawn = listed_neighbours.mean_distances(lambda rows: vectors[rows].astype(np.float32), 3000, 20)
    assert (found > exact - 1e-5).all()
    assert len(drawn) == 200
    assert set(drawn) <= set(exactly)
    assert len(exactly) <= 500
    np.testing.assert_allclose(found[exactly], exact[exactly], atol=1e-5)
    assert (found > exact + 1e-4).sum() > 30, "the rest is compared with a part only"
    assert pd.Series(found).corr(pd.Series(exact), method="spearman") > 0.9
    farthest = np.argsort(-exact)[:30]
    assert np.isclose(found[farthest], exact[farthest], atol=1e-5).mean() > 0.8
