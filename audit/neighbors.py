"""Hash neighbours → pairs of copies → clusters and split groups.

Candidates come from the 64-bit perceptual hashes in all eight orientations; `audit.confirm` decides which are copies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from audit import tables

#: More equal files than this get pairs with the first of them only: k copies make k(k−1)/2 pairs.
MAX_GROUP = 64
_BLOCK = 4_000_000

Progress = Callable[[int, int], None]


def hamming_pairs(
    hashes: npt.NDArray[np.uint64], radius: int, *, progress: Progress | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """All pairs i < j with Hamming distance ≤ `radius` between picture i and some orientation of picture j.

    Args:
        hashes: uint64 (n, orientations); column 0 is the picture as it is.
        radius: bits, 0 to 64.
        progress: called with (rows done, rows in all).

    Returns:
        i, j, the distance and the index of the orientation of j that is nearest, each of shape (pairs,), ordered
        by i and j. Exact, by exhaustive search.
    """
    n, orientations = hashes.shape
    rows = max(1, _BLOCK // max(1, n))
    found: list[tuple[npt.NDArray[np.int64], ...]] = []
    for start in range(0, n, rows):
        stop = min(start + rows, n)
        best = np.full((stop - start, n - start), 255, dtype=np.uint8)
        which = np.zeros_like(best)
        for o in range(orientations):
            distance = np.bitwise_count(hashes[start:stop, 0, None] ^ hashes[None, start:, o])
            closer = distance < best
            best[closer] = distance[closer]
            which[closer] = o
        i, j = np.nonzero(best <= radius)
        upper = j > i
        i, j = i[upper], j[upper]
        found.append((i + start, j + start, best[i, j].astype(np.int64), which[i, j].astype(np.int64)))
        if progress:
            progress(stop, n)
    if not found:
        return tuple(np.empty(0, t) for t in (np.int64, np.int64, np.uint8, np.uint8))  # type: ignore[return-value]
    i, j, distance, which = (np.concatenate(part) for part in zip(*found, strict=True))
    return i, j, distance.astype(np.uint8), which.astype(np.uint8)


def equal_groups(ids: pd.Series, keys: pd.Series) -> list[list[str]]:
    """Groups of at least two ids with equal keys (null keys belong to none), each sorted, in order of their first."""
    known = keys.notna()
    groups = ids[known].groupby(keys[known].to_numpy()).agg(lambda g: sorted(g))
    return sorted(g for g in groups if len(g) > 1)


def group_pairs(groups: Iterable[list[str]], kind: str) -> pd.DataFrame:
    """Pairs (image_id, other_id) of every group: all of them, or with the first member only above MAX_GROUP."""
    left, right = [], []
    for members in groups:
        firsts = members if len(members) <= MAX_GROUP else members[:1]
        for at, a in enumerate(firsts):
            left += [a] * (len(members) - at - 1)
            right += members[at + 1 :]
    return tables.frame(
        tables.NEIGHBORS,
        image_id=left,
        other_id=right,
        kind=[kind] * len(left),
        distance=[0] * len(left),
        transform=["identity"] * len(left),
        similarity=[1.0] * len(left),
    )


def spread(pairs: pd.DataFrame, groups: Iterable[list[str]]) -> pd.DataFrame:
    """Repeat pairs between the first members of `groups` for all their members (bounded by MAX_GROUP each)."""
    members = {g[0]: g[:MAX_GROUP] for g in groups}
    rows = []
    for row in pairs.to_dict("records"):
        for a in members.get(row["image_id"], [row["image_id"]]):
            for b in members.get(row["other_id"], [row["other_id"]]):
                low, high = min(a, b), max(a, b)
                transform = row["transform"] if low == a else _INVERSE[row["transform"]]
                rows.append({**row, "image_id": low, "other_id": high, "transform": transform})
    return tables.validate(pd.DataFrame(rows, columns=pairs.columns), tables.NEIGHBORS)


# Mirrored orientations undo themselves; turns are undone by the opposite turn.
_INVERSE = {o: o for o in tables.ORIENTATIONS} | {"rot90": "rot270", "rot270": "rot90"}


def cluster(pairs: pd.DataFrame, groups: pd.Series, order: Iterable[str]) -> pd.DataFrame:
    """Clusters of copies and split groups.

    Args:
        pairs: the neighbors table.
        groups: the dataset's group column, indexed by image_id; null where there is none.
        order: all image ids.

    Returns:
        The clusters table, for every image that is in a pair or in a group. `cluster`: sets in which every two
        images are copies (complete linkage, nearest pairs first), because copies of copies need not look alike.
        `split_group`: connected components over all pairs and the group column. Both are named by their first
        image.
    """
    ids = sorted(order)
    position = {image_id: at for at, image_id in enumerate(ids)}
    left = pairs["image_id"].map(position).to_numpy(dtype=np.int64)
    right = pairs["other_id"].map(position).to_numpy(dtype=np.int64)
    named = groups.dropna()
    firsts = named.groupby(named.to_numpy()).transform(lambda g: g.index[0])
    chain_left = named.index.map(position).to_numpy(dtype=np.int64)
    chain_right = firsts.map(position).to_numpy(dtype=np.int64)
    rows, columns = np.concatenate([left, chain_left]), np.concatenate([right, chain_right])
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(len(ids), len(ids)))
    _, component = connected_components(graph, directed=False)
    first_of: dict[int, str] = {}
    for at, number in enumerate(component):
        first_of.setdefault(int(number), ids[at])
    linked = _complete_linkage(pairs)
    involved = sorted(set(linked) | set(named.index))
    return tables.frame(
        tables.CLUSTERS,
        image_id=involved,
        cluster=[linked.get(i) for i in involved],
        split_group=[first_of[int(component[position[i]])] for i in involved],
    )


def _complete_linkage(pairs: pd.DataFrame) -> dict[str, str | None]:
    """image_id → name of its cluster. Pairs are merged from the nearest; two clusters merge only if all their
    members are pairs. Members of equal-file groups above MAX_GROUP count as pairs through their first member."""
    rank = pairs["kind"].map({kind: at for at, kind in enumerate(tables.PAIR_KINDS)})
    ordered = pairs.assign(rank=rank, far=-pairs["similarity"]).sort_values(
        ["rank", "far", "image_id", "other_id"], kind="stable"
    )
    equal = {k: set() for k in pairs["image_id"]} | {k: set() for k in pairs["other_id"]}  # type: dict[str, set[str]]
    for a, b in zip(pairs["image_id"], pairs["other_id"], strict=True):
        equal[a].add(b)
        equal[b].add(a)
    cluster_of = {image_id: image_id for image_id in equal}
    members: dict[str, list[str]] = defaultdict(list, {i: [i] for i in equal})
    for a, b, kind in zip(ordered["image_id"], ordered["other_id"], ordered["kind"], strict=True):
        one, two = cluster_of[a], cluster_of[b]
        if one == two:
            continue
        # Same bytes and same pixels are transitive; near copies have to be compared.
        if kind == "near" and not all(y in equal[x] for x in members[one] for y in members[two]):
            continue
        for moved in members[two]:
            cluster_of[moved] = one
        members[one] += members.pop(two)
    names = {i: min(m) for m in members.values() for i in m if len(m) > 1}
    return {i: names.get(i) for i in equal}
