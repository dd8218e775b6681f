"""Outliers when there are more images than distances are measured to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from imageclinic.audit import bulk_distances, class_strangeness, listed_neighbours, runner
from imageclinic.audit.checks import outlier
from imageclinic.core.errors import Failed, NotApplicable
from imageclinic.core.tables import Embeddings


def embeddings(seed: int = 0) -> Embeddings:
    """600 vectors in a crowd and three that point elsewhere, each in another direction."""
    rng = np.random.default_rng(seed)
    crowd = np.concatenate([np.full((600, 1), 4.0), rng.normal(0, 0.4, (600, 39))], axis=1)
    strange = np.zeros((3, 40))
    strange[[0, 1, 2], [10, 20, 30]] = 6
    vectors = np.concatenate([crowd, strange]).astype(np.float32)
    return Embeddings(pd.Series([f"{i:04}" for i in range(len(vectors))]), vectors)


def labelled(given: Embeddings, labels: list[str | None] | None = None) -> pd.DataFrame:
    return pd.DataFrame({"image_id": given.image_id, "label": labels or ["a"] * len(given.image_id)})


def crowded(alike: int = 40) -> Embeddings:
    """600 vectors in a crowd, and some of another kind, which are alike."""
    rng = np.random.default_rng(4)
    vectors = rng.normal(0, 0.4, (600 + alike, 40))
    vectors[:600, 0] += 4
    vectors[600:, 10] += 4
    return Embeddings(pd.Series([f"{i:04}" for i in range(len(vectors))]), vectors.astype(np.float32))


def test_many_of_another_kind_hide_nothing_but_a_class() -> None:
    given = crowded()
    strange = set(given.image_id[600:])
    found = outlier.find(labelled(given, ["a", "b"] * 320), given)
    assert len(strange & set(found["image_id"])) >= 36
    assert len(found) <= 42
    assert found["score"].between(0.5, 1).all()
    own_class = outlier.find(labelled(given, ["a", "b"] * 300 + ["c"] * 40), given)
    unlabelled = outlier.find(labelled(given, [None] * 640), given)
    assert len(strange & set(own_class["image_id"])) <= 2
    assert not strange & set(unlabelled["image_id"])


def test_patches_beside_a_network_have_no_say() -> None:
    given = embeddings()
    patches = np.random.default_rng(1).normal(0, 0.1, (603, 20)).astype(np.float32)
    patches[5] += 9  # such as a grey picture among coloured ones
    shallow = np.zeros((603, 4), np.float32)
    beside = Embeddings(given.image_id, np.concatenate([given.vectors, shallow, patches], axis=1), (40, 44))
    alone = outlier.find(labelled(given), given)
    assert {"0600", "0601", "0602"} <= set(alone["image_id"]) and "0005" not in set(alone["image_id"])
    pd.testing.assert_frame_equal(outlier.find(labelled(beside), beside), alone)
    joined = Embeddings(given.image_id, beside.vectors)
    assert "0005" in set(outlier.find(labelled(joined), joined)["image_id"])


def test_few_images_and_unlabelled_ones_are_judged_by_their_neighbours() -> None:
    given = embeddings()
    labels: list[str | None] = ["a"] * 600 + [None] * 3
    found = outlier.find(labelled(given, labels), given).set_index("image_id")["evidence"]
    assert {"0600", "0601", "0602"} <= set(found.index)
    assert all("nearest images" in found[i] for i in ("0600", "0601", "0602"))
    assert not found.drop(["0600", "0601", "0602"]).str.contains("nearest images").any()
    few = Embeddings(given.image_id[320:].reset_index(drop=True), given.vectors[320:])
    assert outlier.find(labelled(few), few)["evidence"].str.contains("nearest images").all()
    assert {"0600", "0601", "0602"} <= set(outlier.find(labelled(few), few)["image_id"])


def test_strangers_in_the_midst_of_a_wide_class_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of pictures of eight kinds, around a middle where the strangers are."""
    rng = np.random.default_rng(6)
    vectors, kind = rng.normal(0, 0.3, (624, 80)), rng.integers(0, 8, 600)
    vectors[:600, 0] += 3
    vectors[np.arange(600), 1 + kind // 2] += rng.uniform(3, 8, 600) * np.where(kind % 2, 1, -1)
    vectors[600:, 0] += 4
    given = Embeddings(pd.Series([f"{i:04}" for i in range(624)]), vectors.astype(np.float32))
    strange = set(given.image_id[600:])

    def found() -> set[str]:
        return set(outlier.find(labelled(given, ["a", "b"] * 312), given)["image_id"])

    assert strange <= found() and len(found()) <= 26
    monkeypatch.setattr(class_strangeness, "reach", lambda unit, codes, piece_map: np.ones(len(codes)))
    assert len(strange & found()) < 12  # by the distance to the mean alone


def test_order_of_rows_is_nothing() -> None:
    given = crowded()
    turned = Embeddings(given.image_id[::-1].reset_index(drop=True), given.vectors[::-1].copy())
    one, two = outlier.find(labelled(given), given), outlier.find(labelled(turned), turned)
    pd.testing.assert_series_equal(
        one.set_index("image_id")["score"].sort_index(), two.set_index("image_id")["score"].sort_index()
    )


def test_flags_are_those_that_are_too_far_to_be_usual() -> None:
    rng = np.random.default_rng(3)
    usual, strange = np.exp(rng.normal(0, 0.1, 1000)), np.exp(rng.normal(0.5, 0.02, 20))
    long = np.exp(stats.gennorm(1.2, 0, 0.1).rvs(1000, random_state=3))  # a set with odd images of its own

    def flagged(*distances: np.ndarray, false_share: float = 0.1) -> outlier.Found:
        together = np.concatenate(distances)
        n = len(together)
        return outlier._off_class(np.arange(n), together, np.ones(n), np.full(n, -np.inf), false_share, 2.5)

    assert not len(flagged(usual)[0]) and not len(flagged(long)[0])
    rows, scores, evidence = flagged(usual, strange)
    assert set(range(1000, 1020)) <= set(rows) and len(rows) <= 23
    np.testing.assert_allclose(scores[-20:], 1 - np.exp(-strange / np.median(np.append(usual, strange))))
    assert all("times as far from its class" in text and "1 in" in text for text in evidence)
    assert len(flagged(usual, strange, false_share=0.5)[0]) > len(rows)


def test_reach_is_the_distance_of_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(1).normal(0.5, 1, (900, 8))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.arange(0, 900, 2)
    exact = np.sort(1 - unit[rows] @ unit[rows].T, axis=1)[:, 90]
    groups = [bulk_distances.Group(np.arange(300), 0.5), bulk_distances.Group(rows, 0.2)]
    np.testing.assert_allclose(bulk_distances.reaches(unit.astype(np.float32), groups)[1], exact, atol=1e-6)
    monkeypatch.setattr(bulk_distances, "REFERENCES", 300)
    sampled = bulk_distances.reaches(unit.astype(np.float32), groups)[1]
    assert not np.allclose(sampled, exact, atol=1e-6)
    np.testing.assert_allclose(sampled, exact, atol=0.08)


def test_those_of_a_large_set_are_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    given = embeddings()
    strange = {"0600", "0601", "0602"}
    assert strange <= set(outlier.find(labelled(given), given)["image_id"])  # by their class
    unlabelled = labelled(given, [None] * 603)
    exact = outlier.find(unlabelled, given)
    assert strange <= set(exact["image_id"])
    monkeypatch.setattr(outlier, "_COMPARED", 150)
    monkeypatch.setattr(listed_neighbours, "DRAWN", 300)
    found = outlier.find(unlabelled, given)
    assert strange <= set(found["image_id"])
    assert len(found) < 20
    scores = [table.set_index("image_id")["score"][sorted(strange)] for table in (exact, found)]
    np.testing.assert_allclose(scores[0], scores[1], atol=0.02)


def test_workers_that_are_lost_over_and_over_end_the_audit() -> None:
    """Instead of a failed check: what is done is kept, and the same command goes on with it."""

    def lost(*_: Any, **__: Any) -> list[npt.NDArray[Any]]:
        raise Failed("a Ray worker was lost 3 times at the same work")

    given = embeddings()
    inputs = {"dataset": labelled(given), "embeddings": given}
    chosen, _ = runner.select(["outlier"])
    issues, outcomes = runner.run(chosen, [], inputs, {}, {})
    assert outcomes[0]["outcome"] == "found" and len(issues)
    with pytest.raises(Failed, match="lost 3 times"):
        runner.run(chosen, [], inputs, {}, {}, piece_map=lost)


def test_vectors_that_are_all_alike_have_no_outlier() -> None:
    same = Embeddings(pd.Series([str(i) for i in range(50)]), np.ones((50, 8), np.float32))
    assert outlier.find(labelled(same), same).empty


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


def test_images_that_are_all_alike_hold_no_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(2).normal(0, 1, (800, 200))
    shared = np.where(np.arange(800) < 760, 1.0, 0.96)  # how much they have of what all have in common
    vectors = np.column_stack([shared, noise / np.linalg.norm(noise, axis=1, keepdims=True)])
    codes = np.zeros(800, np.intp)

    def of_a_crowd() -> int:
        return int((outlier.in_a_crowd(lambda at: vectors[at], codes)[760:] > 2.5).sum())

    assert of_a_crowd() == 0
    monkeypatch.setattr(outlier, "_FARTHER", 1.0)
    assert of_a_crowd() > 30  # many deviations, which are next to nothing


def test_features_that_tell_no_classes_apart_are_not_called_clean() -> None:
    noise = np.random.default_rng(8).normal(5, 1, (600, 30)).astype(np.float32)
    ids = pd.Series([f"{i:04}" for i in range(600)])
    labels: list[str | None] = ["a", "b", "c"] * 200
    blind = Embeddings(ids, noise)
    with pytest.raises(NotApplicable, match=r"only (4|5)\d% of the images lie nearer to their own class"):
        outlier.find(labelled(blind, labels), blind)
    assert outlier.find(labelled(blind), blind).empty  # of one class nothing can be said
    seeing = Embeddings(ids, noise.copy())
    seeing.vectors[np.arange(600), np.arange(600) % 3] += 3  # each class in a direction of its own
    assert outlier.find(labelled(seeing, labels), seeing).empty
    strange = Embeddings(ids, noise.copy())
    strange.vectors[[5, 50, 500], [10, 20, 29]] += 40
    assert set(outlier.find(labelled(strange, labels), strange)["image_id"]) >= {"0005", "0050", "0500"}
