"""Candidate pairs of copies, and the strangers beside them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from imageclinic.audit.copies import candidate_pairs, crowds, hamming, strangers


@pytest.mark.parametrize("n", [50, 3_000, 200_000])
def test_strangers_are_of_many_images_whatever_their_number(n: int) -> None:
    hashes = np.random.default_rng(0).integers(0, 1 << 16, (n, 8), dtype=np.uint64)  # many are near
    found = strangers.strangers(hashes, 2)
    upright = found.orientation == 0
    assert len(np.unique(found.i[upright])) > min(n, 500) / 2
    true = np.bitwise_count(hashes[found.i, 0] ^ hashes[found.j, found.orientation])
    np.testing.assert_array_equal(found.distance, true)
    assert ((true > 2) & (true <= 2 + strangers.BAND)).all()


def crowd_and_pairs(size: int) -> tuple[np.ndarray, int]:
    """A crowd of hashes around one, within 5 bits of it, and 250 pairs of others eleven bits apart."""
    rng = np.random.default_rng(size)
    crowd = np.full(size, rng.integers(0, 2**64, dtype=np.uint64))
    for _ in range(5):
        crowd ^= (rng.random(size) < 0.7).astype(np.uint64) << rng.integers(0, 64, size).astype(np.uint64)
    rest = rng.integers(0, 2**64, 500, dtype=np.uint64)
    rest[250:] = rest[:250] ^ np.uint64(0x7FF << 20)
    return np.concatenate([crowd, rest])[:, None], size


def test_not_all_pairs_of_a_large_crowd_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    search = hamming.search

    def counted(left, right, radius, sink, **options):
        def take(p, q, distance) -> bool:
            seen.append(len(p))
            return bool(sink(p, q, distance))

        return search(left, right, radius, take, **options)

    monkeypatch.setattr(hamming, "search", counted)
    monkeypatch.setattr(crowds, "FEWEST", 500)
    looked_at = []
    for size in (4_000, 16_000):
        hashes, n = crowd_and_pairs(size)
        seen.clear()
        pairs = candidate_pairs.hamming_pairs(hashes, 12, limit=20 * len(hashes))
        looked_at.append(sum(seen))
        assert len(pairs) <= 22 * len(hashes)
        assert pairs.crowded > n / 2
        assert ((pairs.i >= n) & (pairs.j == pairs.i + 250)).sum() == 250, "others do not suffer"
        inside = pairs.j < n
        graph = coo_array((np.ones(inside.sum()), (pairs.i[inside], pairs.j[inside])), shape=(n, n))
        _, part = connected_components(graph, directed=False)
        assert np.bincount(part).max() > 0.99 * n, "the crowd hangs together"
        true = np.bitwise_count(hashes[pairs.i, 0] ^ hashes[pairs.j, 0])
        np.testing.assert_array_equal(pairs.distance, true)
    assert looked_at[1] < 6 * looked_at[0], "four times as many make sixteen times as many pairs"


def test_pairs_by_chance_grow_with_the_square_of_the_images() -> None:
    hashes = np.random.default_rng(3).integers(0, 1 << 63, (3_000, 8), dtype=np.uint64) << np.uint64(1)
    # Of random hashes (63 bits: one more near bit in each) as many are near as are expected.
    upright, turned = 19, 18
    pairs = candidate_pairs.hamming_pairs(hashes, upright, turned=turned)
    expected = candidate_pairs.by_chance(3_000, upright, turned)
    assert 0.5 < len(pairs) / expected < 2.5
    assert candidate_pairs.by_chance(30_000_000, 10, 8) == pytest.approx(
        900 * candidate_pairs.by_chance(1_000_000, 10, 8), rel=1e-3
    )
    assert candidate_pairs.by_chance(10**8, 10, 8) == pytest.approx(6e7, rel=0.2)


@pytest.mark.parametrize("limit", [None, 400])
def test_hashes_in_blocks_give_the_same_pairs(monkeypatch: pytest.MonkeyPatch, limit: int | None) -> None:
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 2**64, (600, 8), dtype=np.uint64)
    hashes[300:] = np.roll(hashes[:300], 2, axis=1) ^ (np.uint64(3) << rng.integers(0, 62, (300, 8), np.uint64))
    hashes[40:90] = hashes[40] ^ (np.uint64(1) << rng.integers(0, 64, (50, 8), np.uint64))
    whole = candidate_pairs.hamming_pairs(hashes, 10, turned=8, limit=limit)
    assert (whole.orientation > 0).sum() >= 300
    assert bool(whole.crowded) == (limit is not None)
    monkeypatch.setattr(candidate_pairs, "_BLOCK", 1_000)
    parts = candidate_pairs.hamming_pairs(hashes, 10, turned=8, limit=limit)
    for name in ("i", "j", "distance", "orientation", "reach"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert (parts.crowded, parts.equal) == (whole.crowded, whole.equal)
