"""Pairs of copies → what follows from them: equal groups, pairs of their members, clusters, split groups."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.copies.compact.connected_components import components
from imageclinic.core import tables
from imageclinic.core.large import text_rows
from imageclinic.core.rows import lookup

#: More equal files than this get pairs with the first of them only: k copies make k(k−1)/2 pairs.
MAX_GROUP = 64

Ints = npt.NDArray[np.intp]


def equal(ids: pd.Series, keys: pd.Series, order: pd.Series | None = None) -> pd.Series:
    """Ids that share their key with another one (null keys belong to none) → the first id with that key.

    Args:
        ids: image ids, unique.
        keys: their keys, in the same order.
        order: what says which id comes first, in the same order and unique; default: the ids.

    Returns:
        First ids, indexed by id; groups together, ordered by what says so.
    """
    at = ids if order is None else order
    known = pd.DataFrame({"image_id": ids.to_numpy(), "key": keys.to_numpy(), "at": at.to_numpy()}).dropna()
    known = known[known.duplicated("key", keep=False)].sort_values("at")
    groups = known.groupby("key", sort=False)
    known["first"], known["lead"] = groups["image_id"].transform("first"), groups["at"].transform("first")
    return known.sort_values(["lead", "at"]).set_index("image_id")["first"].astype("str")


def group_pairs(first: pd.Series, kind: str) -> pd.DataFrame:
    """Pairs of the members of every group (see `equal`): all of them, or with the first member only above
    MAX_GROUP."""
    number, start, size = _runs(first)
    at = np.arange(len(first))
    place = at - start[number]
    left, right = [start[number][place > 0]], [at[place > 0]]
    for behind in range(1, int(size[size <= MAX_GROUP].max(initial=1)) - 1):
        # Pairs with the first member are there already.
        has = (place > 0) & (place + behind < size[number]) & (size[number] <= MAX_GROUP)
        left.append(at[has])
        right.append(at[has] + behind)
    ids = first.index
    n = sum(map(len, left))
    return ordered(
        tables.frame(
            tables.NEIGHBORS,
            image_id=ids[np.concatenate(left)],
            other_id=ids[np.concatenate(right)],
            kind=np.full(n, kind),
            distance=np.zeros(n, np.int64),
            transform=np.full(n, "identity"),
            similarity=np.ones(n),
            difference=np.zeros(n),
        )
    )


def _runs(first: pd.Series) -> tuple[Ints, Ints, Ints]:
    """The number of each row's group, and where each group starts and how many rows it has."""
    number: Ints = (first.ne(first.shift()).cumsum() - 1).to_numpy().astype(np.intp)
    size = np.bincount(number) if len(first) else np.empty(0, np.intp)
    return number, np.asarray(np.cumsum(size) - size), size


def spread(pairs: pd.DataFrame, first: pd.Series) -> pd.DataFrame:
    """Repeat pairs between the first members of groups (see `equal`) for the other members: each with each, or where
    that makes more than MAX_GROUP pairs, each with the other group's first. Of a larger group, MAX_GROUP members
    count."""
    if first.empty or pairs.empty:
        return pairs
    _, start, size = _runs(first)
    leaders = first.index[start]
    groups = [leaders.get_indexer(pd.Index(pairs[column])) for column in ("image_id", "other_id")]
    one, two = (np.where(group < 0, 1, np.minimum(size[group], MAX_GROUP)) for group in groups)
    every = one * two <= MAX_GROUP
    count = np.where(every, one * two, one + two - 1)
    row = np.repeat(np.arange(len(pairs)), count)
    at = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    # Where not everyone is paired with everyone: first the one's first with all of the other, then the rest of the one.
    places = (
        np.where(every[row], at // two[row], np.maximum(0, at - two[row] + 1)),
        np.where(every[row], at % two[row], np.where(at < two[row], at, 0)),
    )
    result = pairs.iloc[row].reset_index(drop=True)
    for column, group, place in zip(("image_id", "other_id"), groups, places, strict=True):
        member = first.index[np.where(group < 0, 0, start[group])[row] + place]
        result[column] = result[column].where((group < 0)[row], pd.Series(member))
    return ordered(result)


def ordered(pairs: pd.DataFrame) -> pd.DataFrame:
    """The neighbors table with image_id < other_id in every pair; the transform is the other one's, seen from the
    first."""
    low, high = pairs["image_id"], pairs["other_id"]
    swap = low > high
    return tables.validate(
        pairs.assign(
            image_id=low.where(~swap, high),
            other_id=high.where(~swap, low),
            transform=pairs["transform"].where(~swap, pairs["transform"].map(_INVERSE)),
        ),
        tables.NEIGHBORS,
    )


# Mirrored orientations undo themselves; turns are undone by the opposite turn.
_INVERSE = {o: o for o in (*tables.ORIENTATIONS, tables.ALIGNED, tables.TILE)} | {"rot90": "rot270", "rot270": "rot90"}


def cluster(pairs: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """Clusters of copies and split groups.

    Args:
        pairs: the neighbors table.
        groups: the dataset's group column, indexed by image_id; null where there is none.

    Returns:
        The clusters table, for every image that is in a pair or in a group. `cluster`: sets in which every two
        images are copies (complete linkage, nearest pairs first), because copies of copies need not look alike;
        a collage is no copy of its tiles.
        `split_group`: connected components over all pairs and the group column. Both are named by their first
        image.
    """
    named = groups.dropna()
    ids = text_rows.distinct(pairs["image_id"], pairs["other_id"], named.index)
    left, right = lookup.places(pairs["image_id"], ids), lookup.places(pairs["other_id"], ids)
    where = lookup.places(text_rows.text(named.index), ids)
    code, _ = pd.factorize(named)
    leader = np.full(code.max(initial=-1) + 1, len(ids))
    np.minimum.at(leader, code, where)
    component = components(np.concatenate([left, where]), np.concatenate([right, leader[code]]), len(ids))
    copies = pairs["transform"].ne(tables.TILE).to_numpy()
    clusters = _complete_linkage(left[copies], right[copies], pairs[copies], len(ids))
    alone = np.bincount(clusters, minlength=len(ids))[clusters] < 2
    return tables.frame(
        tables.CLUSTERS,
        image_id=ids,
        cluster=ids.take(clusters).reset_index(drop=True).mask(alone),
        split_group=ids.take(component),
    )


def _complete_linkage(left: Ints, right: Ints, pairs: pd.DataFrame, n: int) -> Ints:
    """The first member of each node's cluster. Same bytes and same pixels are transitive, so those are one to begin
    with. Of the others, the nearest are merged first; two clusters only if all of their members are pairs."""
    near = pairs["kind"].eq("near").to_numpy()
    same = components(left[~near], right[~near], n)
    one, two = same[left[near]], same[right[near]]
    low, high = np.minimum(one, two), np.maximum(one, two)
    order = np.lexsort((high, low, -pairs["similarity"].to_numpy()[near]))
    order = order[low[order] != high[order]]
    low, high = low[order], high[order]
    # Where everyone is paired with everyone, as with most copies, that is one cluster, whatever the order.
    component = components(low, high, n)
    nodes = np.bincount(component, minlength=n)
    edges = np.bincount(component[np.unique(low * n + high) // n], minlength=n)  # each pair once
    whole = edges == nodes * (nodes - 1) // 2
    merged = np.where(whole[component], component, np.arange(n))
    rest = ~whole[component[low]]
    return np.asarray(_merge(low[rest], high[rest], merged)[same])


def _merge(low: Ints, high: Ints, merged: Ints) -> Ints:
    """Merge the nodes of pairs (low, high), nearest first, into clusters in which every two are a pair.

    A cluster is kept with what all of its members are paired with: another one may join when it is within that."""
    common: dict[int, set[int]] = {}
    for a, b in zip(low.tolist(), high.tolist(), strict=True):
        common.setdefault(a, set()).add(b)
        common.setdefault(b, set()).add(a)
    members = {a: [a] for a in common}
    for a, b in zip(low.tolist(), high.tolist(), strict=True):
        first, second = sorted((int(merged[a]), int(merged[b])))
        if first == second or not common[first].issuperset(members[second]):
            continue
        moved = members.pop(second)
        members[first] += moved
        merged[moved] = first
        common[first] &= common.pop(second)
    return merged
