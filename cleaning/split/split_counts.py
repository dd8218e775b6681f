"""Splits of so many images, instead of shares: a sample of the dataset, stratified, groups whole. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.cleaning.split import group_codes
from imageclinic.cleaning.split.allocation import allocate
from imageclinic.cleaning.split.stratified_split import moved, placed_before
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.naming.wording import few_notes

Ints = npt.NDArray[np.int64]
_REST = len(tables.SPLITS)


def assign_counts(
    table: pd.DataFrame, counts: Sequence[int | None], *, seed: int, fixed: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Draw so many images for train, val and test.

    Args:
        table: image_id, label, split_group (null: the image is a group of its own). Rows without label are
            left out.
        counts: images of train, val and test; None, for one of them: all that the others leave.
        seed: see `cleaning.split.allocation.allocate`.
        fixed: image_id, split of images placed before; see `cleaning.split.stratified_split.assign`. They stay in, also
            where that makes a split larger than asked.

    Returns:
        A frame of `tables.SPLIT_TABLE` of the images that have a split, in the table's order, and one sentence for
        each deviation, and for the images left out. The counts are met exactly where single images allow it.

    Raises:
        InputError: when more are asked for than there are, or counts are no three whole numbers.
    """
    # In the order of their names, so that the table's order does not matter.
    labelled = table.loc[table["label"].notna(), ["image_id", "label", "split_group"]]
    rows = labelled.sort_values("image_id", ignore_index=True)
    group = rows["split_group"].astype("str").fillna(rows["image_id"])
    groups = group_codes.named(group)
    before, wanted = placed_before(rows["image_id"], groups, fixed)
    asked = _asked(counts, len(rows))
    goal = _goals(asked, wanted, group)
    part = allocate(rows["label"], groups, [*goal, len(rows) - sum(goal)], seed=seed, fixed=wanted)
    free = ~group.isin(group[wanted >= 0]).to_numpy()
    alone = free & (group.map(group.value_counts()) == 1).to_numpy()
    label = pd.factorize(rows["label"], sort=True)[0].astype(np.int64)
    _keep_classes(part, label, group, free, [p for p, n in enumerate(goal) if n])
    _trim(part, label, alone, goal)
    names = np.array([*tables.SPLITS, None], dtype=object)
    split = labelled["image_id"].map(pd.Series(names[part], rows["image_id"])).astype("str")
    inside = split.notna()
    result = tables.frame(tables.SPLIT_TABLE, image_id=labelled.loc[inside, "image_id"], split=split[inside])
    return result, [*moved(rows["image_id"], groups, part, before), *_notes(rows["label"], part, asked)]


def _asked(counts: Sequence[int | None], n: int) -> list[int]:
    known = [count for count in counts if count is not None]
    if len(counts) != len(tables.SPLITS) or len(known) < len(counts) - 1 or any(c < 0 or c != int(c) for c in known):
        raise InputError(f"counts {list(counts)!r}", expected="three whole numbers, one of which may be rest")
    if sum(known) > n:
        raise InputError(
            f"a split of {sum(known):,} images, and {n:,} are there",
            expected="counts of no more",
            fix="ask for fewer, or for rest in one place",
        )
    return [n - sum(known) if count is None else int(count) for count in counts]


def _goals(asked: Sequence[int], wanted: Ints, group: pd.Series) -> list[int]:
    """What was asked for, or more where placed images (and their groups) stay; then train has so much less."""
    home = pd.Series(wanted[wanted >= 0], group[wanted >= 0])
    home = home.groupby(level=0).agg(lambda parts: parts.value_counts().sort_index().idxmax())
    held = group.map(home).value_counts()
    goal = [max(n, int(held.get(p, 0))) for p, n in enumerate(asked)]
    over = sum(goal) - len(group)
    goal[0] -= max(over, 0)
    return [max(n, 0) for n in goal]


def _keep_classes(
    part: Ints, label: Ints, group: pd.Series, free: npt.NDArray[np.bool_], open_parts: list[int]
) -> None:
    """A class that lacks in a split gets its smallest group that is left out, if there is one: train comes first."""
    rest = np.flatnonzero((part == _REST) & free)
    spare = pd.DataFrame({"group": group.to_numpy()[rest], "label": label[rest], "at": rest})
    have = pd.crosstab(label, part).reindex(columns=range(_REST + 1), fill_value=0).to_numpy()
    lacking = [(c, p) for p in open_parts for c in np.flatnonzero((have[:, p] == 0) & (have[:, _REST] > 0))]
    for c, p in lacking:
        sizes = spare[spare["group"].isin(spare.loc[spare["label"] == c, "group"])].groupby("group").size()
        if len(sizes):
            chosen = sizes.sort_values(kind="stable").index[0]
            part[spare.loc[spare["group"] == chosen, "at"]] = p
            spare = spare[spare["group"] != chosen]


def _trim(part: Ints, label: Ints, alone: npt.NDArray[np.bool_], goal: Sequence[int]) -> None:
    """Move single images out of splits that have too many, and into those that have too few, from the classes whose
    share suffers least; never the last of a class."""
    totals = np.bincount(label)
    for p, n in enumerate(goal):
        while (gap := int((part == p).sum()) - n) != 0:
            source, target = (p, _REST) if gap > 0 else (_REST, p)
            here = np.bincount(label[part == p], minlength=len(totals))
            surplus = (here - totals * n / len(label)) * (1 if gap > 0 else -1)
            singles = np.flatnonzero(alone & (part == source) & (here[label] > (1 if gap > 0 else -1)))
            if not len(singles):
                break
            part[singles[np.argmax(surplus[label[singles]])]] = target


def _notes(label: pd.Series, part: Ints, asked: Sequence[int]) -> list[str]:
    have = np.bincount(part, minlength=_REST + 1)
    notes = [
        f"{name} has {have[p]:,} images instead of {asked[p]:,}: groups stay whole, placed images stay, and every "
        "class goes into every split where it can."
        for p, name in enumerate(tables.SPLITS)
        if have[p] != asked[p]
    ]
    if have[_REST]:
        notes.append(f"{have[_REST]:,} images are in no split, as the counts ask: they are not exported.")
    table = pd.crosstab(label, part).reindex(columns=range(_REST + 1), fill_value=0)
    missing = []
    for name, row in zip(table.index.astype(str), table.to_numpy(), strict=True):
        lacking = [s for p, s in enumerate(tables.SPLITS) if asked[p] and not row[p]]
        if lacking:
            missing.append(f"Class {name!r} is missing from {' and '.join(lacking)}: it has {row.sum():,} images.")
    return [*notes, *few_notes(missing, "classes are missing from a split")]
