"""Folds follow what files hold: the same pictures under other names, in another order, are judged alike."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imageclinic.audit.copies.content_groups import by_content, in_order_of_content
from imageclinic.workflows.steps.auditing.predictions import draw_folds

N = 200


def images() -> pd.DataFrame:
    """Of three classes, every tenth a copy of the one before it."""
    ids = [f"{n:03}.jpg" for n in range(N)]
    groups = [ids[n - (n % 10 == 1)] for n in range(N)]
    hashes = [f"{n * 7919 % 1009:064}" for n in range(N)]
    labels = [f"class {n // 2 % 3}" for n in range(N)]
    return pd.DataFrame({"image_id": ids, "split_group": groups, "sha256": hashes, "label": labels})


def renamed(before: pd.DataFrame) -> pd.DataFrame:
    """The same files, each under the name of another."""
    names = dict(zip(before["image_id"], np.random.default_rng(1).permutation(before["image_id"]), strict=True))
    after = before.assign(image_id=before["image_id"].map(names), split_group=before["split_group"].map(names))
    return after.sort_values("image_id", ignore_index=True)


def test_out_of_fold_predictions() -> None:
    before = images()
    after = renamed(before)
    folds = pd.DataFrame(draw_folds(before, 3).T, index=before["sha256"])
    pd.testing.assert_frame_equal(folds, pd.DataFrame(draw_folds(after, 3).T, index=after["sha256"]).loc[folds.index])
    assert (folds.groupby(before["split_group"].to_numpy()).nunique() == 1).all(axis=None), "copies share folds"
    assert not np.array_equal(folds, draw_folds(before.assign(sha256=None), 3).T), "by names other folds are drawn"


def test_groups_and_order_by_content() -> None:
    before = images()
    after = renamed(before)
    assert by_content(before).nunique() == before["split_group"].nunique() == N - N // 10
    ours = dict(zip(before["sha256"], by_content(before), strict=True))
    assert ours == dict(zip(after["sha256"], by_content(after), strict=True))
    assert in_order_of_content(before)["sha256"].tolist() == in_order_of_content(after)["sha256"].tolist()
    assert by_content(before.assign(sha256=None)).tolist() == before["split_group"].tolist()


def test_an_image_without_a_group_is_one_of_its_own() -> None:
    named = images()
    single = named["split_group"].map(named["split_group"].value_counts()).eq(1)
    alone = named.assign(split_group=named["split_group"].mask(single))
    assert alone["split_group"].isna().sum() == N - N // 5
    np.testing.assert_array_equal(draw_folds(alone, 3), draw_folds(named, 3))
    unknown = {"sha256": named["sha256"].mask(np.arange(N) % 3 == 0)}
    np.testing.assert_array_equal(draw_folds(alone.assign(**unknown), 3), draw_folds(named.assign(**unknown), 3))
