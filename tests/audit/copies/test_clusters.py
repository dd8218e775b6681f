"""Clusters in which every two images are copies."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from imageclinic.audit.copies import clusters
from imageclinic.core import tables


def near(pairs: list[tuple[int, int]], similarity: list[float]) -> pd.DataFrame:
    return tables.frame(
        tables.NEIGHBORS,
        image_id=[f"{i:03}" for i, _ in pairs],
        other_id=[f"{j:03}" for _, j in pairs],
        kind="near",
        distance=[1] * len(pairs),
        transform="identity",
        similarity=similarity,
        difference=[0.0] * len(pairs),
    )


def by_definition(pairs: list[tuple[int, int]], similarity: list[float]) -> dict[int, int]:
    """Nearest pairs first; two clusters become one only if all of their members are pairs."""
    of = {i: {i} for pair in pairs for i in pair}
    known = set(pairs)
    for _, (a, b) in sorted(zip(similarity, pairs, strict=True), key=lambda s: (-s[0], s[1])):
        if of[a] is not of[b] and all((min(x, y), max(x, y)) in known for x in of[a] for y in of[b]):
            for member in (one := of[a] | of[b]):
                of[member] = one
    return {i: min(one) for i, one in of.items() if len(one) > 1}


@pytest.mark.parametrize(("density", "levels"), [(0.02, 5), (0.1, 5), (0.4, 1000), (0.9, 3), (1.0, 1000)])
def test_clusters_are_those_of_complete_linkage(density: float, levels: int) -> None:
    rng = np.random.default_rng(int(density * 100))
    pairs = [pair for pair in itertools.combinations(range(40), 2) if rng.random() < density]
    similarity = [float(s) / levels for s in rng.integers(0, levels + 1, len(pairs))]
    made = clusters.cluster(near(pairs, similarity), pd.Series(dtype="str"))
    found = {int(i): int(c) for i, c in zip(made["image_id"], made["cluster"], strict=True) if not pd.isna(c)}
    assert found == by_definition(pairs, similarity)
    assert found


def test_pairs_of_everyone_with_everyone_need_no_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(clusters, "_merge", lambda low, high, merged: left.append(len(low)) or merged)
    groups = [(0, 1), (2, 3, 4), (10, 11, 12, 13)]
    pairs = [pair for group in groups for pair in itertools.combinations(group, 2)]
    made = clusters.cluster(near(pairs, [0.9] * len(pairs)), pd.Series(dtype="str"))
    assert left == [0]
    assert made["cluster"].tolist() == [f"{group[0]:03}" for group in groups for _ in group]
