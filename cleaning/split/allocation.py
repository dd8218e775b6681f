"""Stratified, grouped allocation of rows to parts: the engine of splits and cross-validation folds. Pure.

Groups (copies, one person's pictures) are placed whole: biggest first, each to the part that lacks its
classes most; then the many small groups of one class (mostly single images) fill every class up to its target
at once. The idea is that of scikit-learn's StratifiedGroupKFold, which has returned empty folds and shuffled
wrongly (scikit-learn #32540, #33085, #34828); here the promises are asserted after every allocation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.cleaning.split import group_codes
from imageclinic.cleaning.split.group_codes import Groups
from imageclinic.core.errors import InputError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Groups of one class are placed at once when at least so many per part are equal in class and size; single
#: images always are.
_MANY = 10
#: Rounds in which every group that was placed singly may move to a better part.
_ROUNDS = 5


def allocate(
    labels: Sequence[str] | pd.Series,
    groups: Sequence[str] | pd.Series | Groups,
    shares: Sequence[float],
    *,
    seed: int,
    fixed: Ints | None = None,
) -> Ints:
    """Give every row a part, stratified by label, never dividing a group.

    Depends on names and seed only, not on the order of the rows. A class that lies in at least as many groups
    as there are parts is present in every part, except where groups of several classes or fixed rows make
    that impossible.

    Args:
        labels: the class of each row, (n,).
        groups: the group of each row, (n,), by name or as numbers; rows of one group get one part.
        shares: weight of each part, (p,), normalised to sum 1 (so counts do as well). A part of weight 0 is
            closed: it gets rows of groups that are fixed to it and no others.
        seed: any integer; draws among groups of equal size and class.
        fixed: part of each row, or -1, (n,). A group with fixed rows is placed where most of them are (the
            first such part when equally many are in two), also where that moves some of them: compare to find
            those.

    Returns:
        The part of each row, int64, (n,), in 0 … p-1.

    Raises:
        InputError: when shares or fixed parts are out of range, or lengths differ.
    """
    weights = normalised(shares)
    n, parts = len(labels), len(weights)
    rows = len(groups.code if isinstance(groups, Groups) else groups)
    if rows != n or (fixed is not None and len(fixed) != n):
        raise InputError(f"{n} labels but {rows} groups", expected="one group (and fixed part) per label")
    if n == 0:
        return np.zeros(0, np.int64)
    label = pd.factorize(pd.Series(labels, dtype="str"), sort=True)[0].astype(np.int64)
    if not isinstance(groups, Groups):
        names = pd.Series(groups, dtype="str")
        if names.isna().any():
            raise InputError("a row without group", expected="a group in every row")
        groups = group_codes.named(names)
    if (label < 0).any():
        raise InputError("a row without label", expected="a label in every row")
    units = _Units(label, groups.code, _keys(groups, seed), parts)
    part = np.full(units.count, -1, np.int64)
    if fixed is not None:
        part = _fixed_parts(np.asarray(fixed), units, parts)
    free = part < 0
    _place_one_by_one(part, units, weights)
    _place_batches(part, units, weights)
    _fill_gaps(part, free, units, weights)
    result = part[units.group]
    _check(result, units, parts)
    return result


class _Units:
    """Groups as arrays: `group` of each row; `size` and `key` (a seeded random order) of each group; `pairs`,
    the distinct (group, class) with their `numbers` of rows; `totals`, rows per class; `pure`, the class of a
    group that has one class only, else -1; `many`, whether it is a single image or one of many of equal class
    and size."""

    def __init__(self, label: Ints, group: Ints, key: npt.NDArray[np.uint64], parts: int) -> None:
        self.group, self.key, self.parts = group, key, parts
        self.count = len(key)
        self.totals = np.bincount(label).astype(np.int64)
        self.classes = len(self.totals)
        self.size = np.bincount(group, minlength=self.count).astype(np.int64)
        codes, self.numbers = np.unique(group * self.classes + label, return_counts=True)
        self.pair_group, self.pair_class = np.divmod(codes, self.classes)
        self.start = np.searchsorted(self.pair_group, np.arange(self.count + 1))
        one = np.diff(self.start) == 1
        self.pure = np.where(one, self.pair_class[self.start[:-1]], -1)
        _, kind, equal = np.unique(
            self.pure * (self.size.max() + 1) + self.size, return_inverse=True, return_counts=True
        )
        self.many = (self.pure >= 0) & ((self.size == 1) | (equal[kind] >= _MANY * parts))

    def content(self, unit: int) -> tuple[Ints, Ints]:
        """Classes of a group, and its rows in each."""
        here = slice(self.start[unit], self.start[unit + 1])
        return self.pair_class[here], self.numbers[here]

    def rows_placed(self, part: Ints) -> Ints:
        """Rows of each class in each part, (classes, parts), over the groups that have a part."""
        return self._sum(part, self.numbers)

    def groups_placed(self, part: Ints) -> Ints:
        """Groups of each class in each part, (classes, parts)."""
        return self._sum(part, np.ones_like(self.numbers))

    def _sum(self, part: Ints, amounts: Ints) -> Ints:
        at = part[self.pair_group]
        placed = at >= 0
        flat = np.bincount(
            self.pair_class[placed] * self.parts + at[placed],
            weights=amounts[placed],
            minlength=self.classes * self.parts,
        )
        return flat.reshape(self.classes, self.parts).astype(np.int64)


def normalised(shares: Sequence[float]) -> Floats:
    """Weights as parts of one. Raises InputError unless they are finite, not negative and not all zero."""
    weights = np.asarray(shares, dtype=np.float64)
    if weights.ndim != 1 or not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise InputError(f"shares {list(shares)!r}", expected="numbers that are not negative, not all zero")
    return weights / weights.sum()


def _keys(groups: Groups, seed: int) -> npt.NDArray[np.uint64]:
    """A random number per group that depends on its name and the seed only (SplitMix64's finaliser)."""
    mixed = np.concatenate([pd.util.hash_array(names, categorize=False) for names in groups.names()])
    mixed = mixed ^ np.random.SeedSequence(abs(seed)).generate_state(1, np.uint64)[0]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    result: npt.NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return result


def _fixed_parts(fixed: Ints, units: _Units, parts: int) -> Ints:
    if ((fixed < -1) | (fixed >= parts)).any():
        raise InputError("a fixed part is out of range", expected=f"-1 to {parts - 1}")
    rows = np.flatnonzero(fixed >= 0)
    codes, votes = np.unique(units.group[rows] * parts + fixed[rows], return_counts=True)
    unit, at = np.divmod(codes, parts)
    part = np.full(units.count, -1, np.int64)
    order = np.lexsort((-at, votes, unit))  # the last of each group: most votes, then the first part
    part[unit[order]] = at[order]
    return part


def _targets(total: Ints, placed: Ints, weights: Floats) -> Floats:
    """Rows that each part should end with, (classes, parts): by weight, but never fewer than it has already;
    what an overfull part has too much is taken from the others in proportion."""
    target = total[:, None] * weights
    over = placed > target
    for _ in range(len(weights)):
        rest = total - np.where(over, placed, 0).sum(axis=1)
        open_weight = np.where(over, 0.0, weights)
        scale = open_weight.sum(axis=1)
        share = np.divide(open_weight, scale[:, None], out=np.zeros_like(open_weight), where=scale[:, None] > 0)
        target = np.where(over, placed, rest[:, None] * share)
        now = over | (placed > target + 1e-9)
        if (now == over).all():
            break
        over = now
    return target


def _place_one_by_one(part: Ints, units: _Units, weights: Floats) -> None:
    """Place the groups that are not one of many: biggest first, each where the squared deviation of class
    shares (and of part sizes) falls most; then move single groups while that helps."""
    todo = np.flatnonzero((part < 0) & ~units.many)
    if not len(todo):
        return
    todo = todo[np.lexsort((units.key[todo], -units.size[todo]))]
    placed = units.rows_placed(part)
    room = _targets(units.totals, placed, weights) - placed
    room_all = room.sum(axis=0)
    scale = 1.0 / units.totals.astype(np.float64) ** 2
    scale_all = 1.0 / float(units.totals.sum()) ** 2
    shut = np.where(weights > 0, 0.0, np.inf)
    for turn in range(1 + _ROUNDS):
        moved = False
        for unit in todo.tolist():
            classes, numbers = units.content(unit)
            old = part[unit]
            if turn:
                room[classes, old] += numbers
                room_all[old] += units.size[unit]
            # Adding g rows where r are wanted changes the squared deviation by g² - 2gr: most Σ gr wins.
            gain = (scale[classes] * numbers) @ room[classes] + scale_all * units.size[unit] * room_all - shut
            new = int(np.argmax(gain))
            if turn and gain[new] <= gain[old] + 1e-12:
                new = int(old)
            moved |= new != old
            part[unit] = new
            room[classes, new] -= numbers
            room_all[new] -= units.size[unit]
        if not moved:
            return


def _place_batches(part: Ints, units: _Units, weights: Floats) -> None:
    """Place the rest, batches of groups of equal class and size, biggest first within a class. A batch is
    shared out in proportion to the room left; the rounding error is carried on, so that it does not add up
    over many small classes."""
    todo = np.flatnonzero(part < 0)
    if not len(todo):
        return
    todo = todo[np.lexsort((units.key[todo], -units.size[todo], units.pure[todo]))]
    change = (np.diff(units.pure[todo]) != 0) | (np.diff(units.size[todo]) != 0)
    placed = units.rows_placed(part)
    carry = np.zeros(len(weights))
    for batch in np.split(todo, np.flatnonzero(change) + 1):
        c, size = units.pure[batch[0]], int(units.size[batch[0]])
        room = _targets(units.totals[c : c + 1], placed[c : c + 1], weights)[0] - placed[c]
        exact = len(batch) * room / room.sum()
        counts = np.floor(exact + 1e-9).astype(np.int64)
        fraction = exact - counts
        wish = np.where(fraction > 1e-9, fraction + np.clip(carry / size, -0.5, 0.5), -np.inf)
        counts[np.argsort(-wish, kind="stable")[: len(batch) - counts.sum()]] += 1
        carry += size * (exact - counts)
        placed[c] += size * counts
        part[batch] = np.repeat(np.arange(len(weights)), counts)


def _fill_gaps(part: Ints, free: npt.NDArray[np.bool_], units: _Units, weights: Floats) -> None:
    """Move small free groups into parts that lack a class, where the class has a group for every part."""
    present = units.groups_placed(part)
    wanted = weights > 0
    enough = present.sum(axis=1) >= wanted.sum()
    by_class = np.argsort(units.pair_class, kind="stable")
    start = np.searchsorted(units.pair_class[by_class], np.arange(units.classes + 1))
    for c, gap in np.argwhere(enough[:, None] & (present == 0) & wanted):
        if present[c, gap]:
            continue
        members = units.pair_group[by_class[start[c] : start[c + 1]]]
        members = members[free[members] & (present[c, part[members]] > 1)]
        # Groups of one class first: they can't open a gap elsewhere.
        order = np.lexsort(
            (units.key[members], -present[c, part[members]], units.size[members], units.pure[members] < 0)
        )
        for unit in members[order].tolist():
            classes, _ = units.content(unit)
            if ((present[classes, part[unit]] > 1) | ~enough[classes]).all():
                present[classes, part[unit]] -= 1
                present[classes, gap] += 1
                part[unit] = gap
                break


def _check(result: Ints, units: _Units, parts: int) -> None:
    """Assert the promises: every row has a part, and no group has two."""
    if ((result < 0) | (result >= parts)).any():
        raise AssertionError("a row was left without a part")
    low, high = np.full(units.count, parts), np.full(units.count, -1)
    np.minimum.at(low, units.group, result)
    np.maximum.at(high, units.group, result)
    if (low != high).any():
        raise AssertionError("a group was divided between two parts")
