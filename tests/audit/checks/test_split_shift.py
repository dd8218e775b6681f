"""The check that compares splits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imageclinic.audit.checks import split_shift
from imageclinic.core import tables
from imageclinic.core.errors import NotApplicable

N = 600


def given(
    shifted: bool, splits: list[str | None] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, tables.Embeddings]:
    rng = np.random.default_rng(0)
    ids = [f"{i:04}.png" for i in range(N)]
    label = np.arange(N) % 2
    split = splits or ["test" if i % 3 == 0 else "train" for i in range(N)]
    vectors = rng.normal(0, 1, (N, 6))
    other = np.array([s == "test" for s in split]) & shifted
    vectors[np.arange(N), other.astype(int)] += np.where(label == 1, 2.5, -2.5)
    dataset = tables.frame(
        tables.DATASET, image_id=ids, label=[f"class {k}" for k in label], split=split, bytes=[1] * N, mtime_ns=[0] * N
    )
    return dataset, tables.empty(tables.CLUSTERS), tables.Embeddings(pd.Series(ids), vectors.astype(np.float32))


def test_a_test_set_of_another_kind_is_found_and_named() -> None:
    found = split_shift.find(*given(shifted=True))
    assert len(found) == 1
    assert found["score"][0] > 0.2
    assert "200 test images" in found["evidence"][0]
    assert split_shift.shifted_splits(found) == ["test"]


def test_a_random_split_is_clean() -> None:
    assert split_shift.find(*given(shifted=False)).empty


def test_copies_of_test_images_do_not_hide_the_shift() -> None:
    dataset, _, embeddings = given(shifted=True)
    test = np.flatnonzero(dataset["split"] == "test")
    train = np.flatnonzero(dataset["split"] == "train")[: len(test)]
    vectors = embeddings.vectors.copy()
    vectors[train] = vectors[test]
    dataset.loc[train, "label"] = dataset.loc[test, "label"].to_numpy()
    ids = dataset["image_id"].to_numpy()
    clusters = tables.frame(
        tables.CLUSTERS,
        image_id=np.r_[ids[test], ids[train]],
        cluster=None,
        split_group=[f"pair {k}" for k in range(len(test))] * 2,
    )
    found = split_shift.find(dataset, clusters, tables.Embeddings(embeddings.image_id, vectors))
    assert split_shift.shifted_splits(found) == ["test"]


@pytest.mark.parametrize(
    ("splits", "reason"),
    [([None] * N, "came without splits"), (["test" if i < 50 else "train" for i in range(N)], "100 images")],
)
def test_what_can_not_be_compared(splits: list[str | None], reason: str) -> None:
    with pytest.raises(NotApplicable, match=reason):
        split_shift.find(*given(False, splits))
