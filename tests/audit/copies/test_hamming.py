"""The search for near hashes finds exactly what comparing all with all finds, whatever the plan; crowds are bounded."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from imageclinic import sample_data
from imageclinic.audit.copies import candidate_pairs, hamming
from imageclinic.audit.scan.measure import measure
from imageclinic.core.schema import ORIENTATIONS

Hashes = npt.NDArray[np.uint64]


def near(rng: np.random.Generator, n: int, flips: int, centres: int = 3) -> Hashes:
    """Hashes around a few centres, up to `flips` bits away."""
    hashes = rng.integers(0, 2**64, centres, dtype=np.uint64)[rng.integers(0, centres, n)]
    for _ in range(flips):
        hashes ^= (rng.random(n) < 0.7).astype(np.uint64) << rng.integers(0, 64, n).astype(np.uint64)
    return hashes


def found(left: Hashes, right: Hashes | None, radius: int, chosen: hamming.Plan | None = None) -> list[tuple[int, ...]]:
    pairs: list[tuple[int, ...]] = []

    def sink(p: npt.NDArray[np.intp], q: npt.NDArray[np.intp], distance: npt.NDArray[np.uint8]) -> bool:
        pairs.extend(zip(p.tolist(), q.tolist(), distance.tolist(), strict=True))
        return True

    assert hamming.search(left, right, radius, sink, chosen=chosen)
    return sorted((min(p, q), max(p, q), d) if right is None else (p, q, d) for p, q, d in pairs)


def expected(left: Hashes, right: Hashes | None, radius: int) -> list[tuple[int, ...]]:
    pairs = combinations(range(len(left)), 2) if right is None else product(range(len(left)), range(len(right)))
    other = left if right is None else right
    distances = ((p, q, (int(left[p]) ^ int(other[q])).bit_count()) for p, q in pairs)
    return sorted(pair for pair in distances if pair[2] <= radius)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(0, 64), st.integers(0, 14), st.booleans())
def test_any_plan_finds_every_pair_once(seed: int, n: int, radius: int, flips: int, within: bool) -> None:
    rng = np.random.default_rng(seed)
    hashes = near(rng, n + 30, flips)
    left, right = hashes[:n], None if within else hashes[n:]
    choices = list(hamming._choices(radius))
    chunks = choices[seed % len(choices)]
    if any(chunk.n_masks > 5000 for chunk in chunks):
        chunks = choices[0]
    want = expected(left, right, radius)
    assert found(left, right, radius, hamming.Plan(chunks, 0.0)) == want
    assert found(left, right, radius) == want


@pytest.mark.parametrize("radius", range(0, 65, 4))
def test_every_plan_keeps_the_pigeonhole_promise(radius: int) -> None:
    for chunks in hamming._choices(radius):
        covered = sum(c.radius + 1 for c in chunks) > radius or all(c.width == 0 for c in chunks)
        bits = [bit for c in chunks for bit in range(c.shift, c.shift + c.width)]
        assert covered
        assert len(set(bits)) == len(bits)
        assert max(bits, default=0) < hamming.BITS
        assert all(c.n_masks == len(c.masks) for c in chunks if c.width <= 16)


def test_more_hashes_get_more_selective_plans() -> None:
    rng = np.random.default_rng(0)
    few, many = (rng.integers(0, 2**64, n, dtype=np.uint64) for n in (200, 200_000))
    assert max(c.width for c in hamming.plan(few, None, 8).chunks) < 12
    assert min(c.width for c in hamming.plan(many, None, 8).chunks) >= 12


@pytest.mark.parametrize("tile", [1, 7, 64])
def test_tiles_meet_without_a_gap(monkeypatch: pytest.MonkeyPatch, tile: int) -> None:
    hashes = near(np.random.default_rng(0), 40, 6)
    other = near(np.random.default_rng(0), 60, 6)
    monkeypatch.setattr(hamming, "_TILE", tile)
    plan = hamming.Plan(tuple(hamming.Chunk(9 * at, 9, 1 - at % 2) for at in range(7)), 0.0)
    assert found(hashes, None, 10, plan) == expected(hashes, None, 10)
    assert found(hashes, other, 10, plan) == expected(hashes, other, 10)


def test_the_sink_ends_the_search() -> None:
    hashes = np.zeros(2000, np.uint64)
    calls = []
    assert not hamming.search(hashes, None, 3, lambda p, q, d: bool(calls.append(len(p))))
    assert len(calls) == 1


def turned(hashes: Hashes, rng: np.random.Generator) -> Hashes:
    return np.stack([hashes, *rng.integers(0, 2**64, (7, len(hashes)), dtype=np.uint64)], axis=1)


def test_a_limit_that_is_not_reached_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    upright = near(rng, 150, 5)
    hashes = np.stack([upright, upright[::-1] ^ np.uint64(0b1011), np.roll(upright, 40)], axis=1)
    exact = candidate_pairs.hamming_pairs(hashes, 9, turned=7)
    bounded = candidate_pairs.hamming_pairs(hashes, 9, turned=7, limit=10**6)
    for column in ("i", "j", "distance", "orientation", "reach"):
        np.testing.assert_array_equal(getattr(exact, column), getattr(bounded, column))
    assert len(exact) > 100
    assert (bounded.crowded, bounded.equal) == (0, 0)
    assert set(np.unique(exact.orientation)) == {0, 1, 2}
    assert exact.distance[exact.orientation > 0].max() <= 7


def test_a_crowd_is_bounded_and_hangs_together_and_others_do_not_suffer() -> None:
    rng = np.random.default_rng(1)
    crowd, rest = near(rng, 2500, 5, centres=1), rng.integers(0, 2**64, 500, dtype=np.uint64)
    rest[250:] = rest[:250] ^ np.uint64(0x7FF << 20)  # 250 pairs, eleven bits apart
    limit = 50_000
    pairs = candidate_pairs.hamming_pairs(turned(np.concatenate([crowd, rest]), rng), 12, limit=limit)
    assert len(pairs) <= limit + 3000
    assert 1000 < pairs.crowded <= 2500
    planted = (pairs.i >= 2500) & (pairs.j == pairs.i + 250)
    assert planted.sum() == 250
    inside = pairs.j < 2500
    graph = coo_array((np.ones(inside.sum()), (pairs.i[inside], pairs.j[inside])), shape=(2500, 2500))
    assert connected_components(graph, directed=False)[0] == 1
    assert (pairs.reach[inside] < 12).any()
    again = candidate_pairs.hamming_pairs(
        turned(np.concatenate([crowd, rest]), np.random.default_rng(9)), 12, limit=limit
    )
    upright = pairs.orientation == 0
    np.testing.assert_array_equal(pairs.i[upright], again.i[again.orientation == 0])


def test_the_nearest_of_a_crowd_stay() -> None:
    rng = np.random.default_rng(2)
    crowd = near(rng, 1500, 7, centres=1)
    crowd[-20:] = crowd[:20] ^ np.uint64(1)
    pairs = candidate_pairs.hamming_pairs(crowd[:, None], 10, limit=20_000)
    kept = set(zip(pairs.i.tolist(), pairs.j.tolist(), strict=True))
    assert pairs.crowded
    assert sum((k, 1480 + k) in kept for k in range(20)) == 20


def test_thousands_of_equal_hashes_are_a_star() -> None:
    rng = np.random.default_rng(3)
    hashes = np.concatenate([np.full(5000, 7, np.uint64), rng.integers(0, 2**64, 50, dtype=np.uint64)])
    hashes[-1] = 7 ^ 3
    pairs = candidate_pairs.hamming_pairs(hashes[:, None], 8, limit=10**6)
    assert pairs.equal == 4999
    assert sorted(zip(pairs.i.tolist(), pairs.j.tolist(), strict=True)) == [
        *((0, other) for other in range(1, 5000)),
        (0, 5049),
    ]


def test_turned_crowds_are_bounded_too() -> None:
    rng = np.random.default_rng(4)
    crowd = near(rng, 900, 4, centres=1)
    pairs = candidate_pairs.hamming_pairs(np.stack([crowd, crowd[::-1]], axis=1), 0, turned=10, limit=5_000)
    assert len(pairs) <= 2 * 5_000 + 900
    assert pairs.crowded
    assert (pairs.orientation == 1).sum() > 900
    assert (pairs.i < pairs.j).all()


def test_exact_on_phashes_of_real_pictures() -> None:
    files = sorted(str(p) for p in sample_data.IMAGES.rglob("*.jpg"))[::4]
    measured = measure(files)
    readable = measured.filter(measured["read_error"].is_null())
    hashes = np.stack([readable[f"phash_{o}"].to_numpy() for o in ORIENTATIONS], axis=1)
    pairs = candidate_pairs.hamming_pairs(hashes, 12)
    distances = np.bitwise_count(hashes[:, :1, None] ^ hashes.T[None])
    i, j = np.nonzero(np.triu(distances.min(axis=1) <= 12, 1))
    assert len(pairs) > 100
    np.testing.assert_array_equal((pairs.i, pairs.j), (i, j))
    np.testing.assert_array_equal(pairs.distance, distances.min(axis=1)[i, j])
    np.testing.assert_array_equal(pairs.orientation, distances.argmin(axis=1)[i, j])
