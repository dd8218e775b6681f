"""Votes of the nearest images (`training.predict.neighbor_votes`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.neighbors import NearestNeighbors

from imageclinic.training.predict import neighbor_votes

Floats = npt.NDArray[np.float32]


def points(n: int = 200, seed: int = 0) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Two classes, each of two opposite groups of directions: no plane tells them apart."""
    rng = np.random.default_rng(seed)
    group = np.arange(n) % 4
    angle = group * np.pi / 2 + rng.normal(0, 0.25, n)
    x = np.stack([np.cos(angle), np.sin(angle), rng.normal(0, 0.1, n)], axis=1) * rng.uniform(0.5, 2, (n, 1))
    return x.astype(np.float32), group % 2


def test_votes_are_those_of_the_nearest_by_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = points()
    new, _ = points(30, seed=1)
    found = neighbor_votes.votes(new, x, labels, 3)
    distance, near = NearestNeighbors(n_neighbors=20, metric="cosine").fit(x).kneighbors(new)
    weight = np.exp(8 * (1 - distance))
    share = [np.sum(weight * (labels[near] == k), axis=1) / weight.sum(axis=1) for k in range(3)]
    np.testing.assert_allclose(found, 0.9 * np.stack(share, axis=1) + 0.1 / 3, atol=1e-4)
    monkeypatch.setattr(neighbor_votes, "_CHUNK_BYTES", 4 * 200 * 7)
    np.testing.assert_allclose(neighbor_votes.votes(new, x, labels, 3), found, atol=1e-6)


def test_fewer_images_than_neighbours_all_vote() -> None:
    x, labels = points(5)
    found = neighbor_votes.votes(np.zeros((1, 3), np.float32), x, labels, 2)
    share = np.bincount(labels, minlength=2) / 5  # a vector of zeros is as near to one as to the other
    np.testing.assert_allclose(found[0], 0.9 * share + 0.05, atol=1e-6)


def test_the_own_fold_has_no_vote(monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = points()
    fold = np.arange(200) // 4 % 5
    before = neighbor_votes.held_out(x, labels, fold, 2)
    changed = np.where(fold == 2, 1 - labels, labels)
    after = neighbor_votes.held_out(x, changed, fold, 2)
    np.testing.assert_array_equal(before[fold == 2], after[fold == 2])
    assert not np.allclose(before[fold != 2], after[fold != 2])
    some = np.array([1, 4, 100, 199])
    np.testing.assert_allclose(neighbor_votes.held_out(x, labels, fold, 2, some), before[some], atol=1e-6)
    monkeypatch.setattr(neighbor_votes, "MOST", 50)
    few = neighbor_votes.held_out(x, labels, fold, 2)
    expected = neighbor_votes.votes(x[fold == 0], x[fold != 0][::4], labels[fold != 0][::4], 2)
    np.testing.assert_allclose(few[fold == 0], expected, atol=1e-6)


def test_the_weight_is_what_foretells_held_out_labels() -> None:
    x, labels = points()
    voted = neighbor_votes.held_out(x, labels, np.arange(200) // 4 % 5, 2)
    blind = np.full((200, 2), 0.5, np.float32)
    assert neighbor_votes.best_weight(blind, voted, labels) > 0
    knowing = np.where(labels[:, None] == np.arange(2), 0.95, 0.05).astype(np.float32)
    knowing[:10] = 1 - knowing[:10]
    assert neighbor_votes.best_weight(knowing, blind[::-1] + np.float32([0.2, -0.2]), labels) == 0


def test_votes_that_say_hardly_more_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = points()
    voted = neighbor_votes.held_out(x, labels, np.arange(200) // 4 % 5, 2)
    probs = np.where(labels[:, None] == np.arange(2), 0.7, 0.3).astype(np.float32)
    probs[::4] = 1 - probs[::4]
    # A witness of which one row in fifty is told the truth, the others nothing.
    little = np.where(np.arange(200)[:, None] % 50 < 1, voted, np.float32(0.5))
    monkeypatch.setattr(neighbor_votes, "LEAST_GAIN", 0.0)
    assert neighbor_votes.best_weight(probs, little, labels) > 0
    monkeypatch.undo()
    assert neighbor_votes.best_weight(probs, little, labels) == 0
    assert neighbor_votes.best_weight(probs, voted, labels) > 0


def test_joined_they_are_a_weighted_geometric_mean() -> None:
    one, other = np.array([[0.8, 0.2]], np.float32), np.array([[0.3, 0.7]], np.float32)
    mean = one**0.7 * other**0.3
    np.testing.assert_allclose(neighbor_votes.join(one, other, 0.3), mean / mean.sum(), rtol=1e-5)
    assert neighbor_votes.join(one, other, 0.0) is one
