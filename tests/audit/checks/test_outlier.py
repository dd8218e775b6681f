"""Outliers when there are more images than distances are measured to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

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


def test_those_beside_the_sample_are_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    given = embeddings()
    strange = {"0600", "0601", "0602"}
    assert strange <= set(outlier.find(given)["image_id"])
    monkeypatch.setattr(outlier, "_REFERENCES", 150)
    drawn = np.random.default_rng(0).permutation(603)[:150]
    assert not {600, 601, 602} <= set(drawn.tolist()), "some are measured against the sample only"
    found = outlier.find(given)
    assert strange <= set(found["image_id"])
    assert len(found) < 20


def test_vectors_that_are_all_alike_have_no_outlier() -> None:
    same = Embeddings(pd.Series([str(i) for i in range(50)]), np.ones((50, 8), np.float32))
    assert outlier.find(same).empty


def test_pieces_give_what_all_at_once_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    given = embeddings(1)
    monkeypatch.setattr(outlier, "_REFERENCES", 300)
    whole = outlier.find(given, deviations=0)
    monkeypatch.setattr(outlier, "_PIECE", 64)
    parts = outlier.find(given, deviations=0)
    assert len(whole) > 100
    assert parts["image_id"].tolist() == whole["image_id"].tolist()
    np.testing.assert_allclose(parts["score"], whole["score"], rtol=1e-5)


def test_a_sample_ranks_as_all_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five groups; against a quarter of the images. The upper half by score is compared."""
    rng = np.random.default_rng(5)
    spread = rng.uniform(0.2, 1, (2000, 1))
    vectors = rng.normal(0, 1, (5, 32))[rng.integers(0, 5, 2000)] + rng.normal(0, 1, (2000, 32)) * spread
    given = Embeddings(pd.Series([f"{i:04}" for i in range(2000)]), vectors.astype(np.float32))
    exact = outlier.find(given, deviations=0).set_index("image_id")["score"]
    monkeypatch.setattr(outlier, "_REFERENCES", 500)
    sampled = outlier.find(given, deviations=0).set_index("image_id")["score"]
    both = exact.index.intersection(sampled.index)
    assert len(both) > 900
    assert exact[both].corr(sampled[both], method="spearman") > 0.9
