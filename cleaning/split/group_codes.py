"""Which rows stay together, as numbers.

Most groups of a dataset are one image's own, under its own name: a text for each row would be the image ids a second
time. Names are made only of groups that are asked for. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core.rows import lookup

Ints = npt.NDArray[np.int64]

#: Names that are Python strings together.
_PIECE = 1 << 18


@dataclass(frozen=True)
class Groups:
    """The groups of some rows.

    Attributes:
        code: the group of each row, int64 (n,), numbered from 0 in the order of their first rows.
        first: the row whose name each group has, int64 (groups,), rising.
        given: the name of each row's group; null where it is that of `own`.
        own: the row's own name.
    """

    code: Ints
    first: Ints
    given: pd.Series
    own: pd.Series

    @property
    def sizes(self) -> Ints:
        """How many rows each group has, int64 (groups,)."""
        return np.bincount(self.code, minlength=len(self.first))

    def among(self, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Whether each row shares its group with one of `rows`, bool (n,)."""
        chosen = np.zeros(len(self.first), np.bool_)
        chosen[self.code[rows]] = True
        return chosen[self.code]

    def name(self, group: int) -> str:
        """The name of a group."""
        at = int(self.first[group])
        given = self.given.iloc[at]
        return str(self.own.iloc[at] if pd.isna(given) else given)

    def names(self) -> Iterator[npt.NDArray[np.object_]]:
        """The names of all groups in their order, a piece of them at a time."""
        for start in range(0, len(self.first), _PIECE):
            at = self.first[start : start + _PIECE]
            here = slice(at[0], at[-1] + 1)  # to take a few of all is to look at all
            given, own = (column.iloc[here].iloc[at - at[0]] for column in (self.given, self.own))
            yield given.astype("str").fillna(own).to_numpy(dtype=object)

    def repeated(self, rows: npt.NDArray[np.intp]) -> Groups:
        """The groups of these rows, which are all of them at least once, in any order and number."""
        return Groups(self.code[rows], self.first, self.given, self.own)


def of(image_id: pd.Series, split_group: pd.Series) -> Groups:
    """The groups of images.

    Args:
        image_id: unique.
        split_group: of each image, null where it is a group of its own; with the same index.
    """
    named = split_group.notna().to_numpy()
    codes, names = pd.factorize(split_group[named].astype("str"))
    raw = np.empty(len(image_id), np.int64)
    raw[named] = codes
    # A group may be called by the name of an image that is in none: they are one group.
    others = np.flatnonzero(~named)
    same = lookup.places(image_id.iloc[others], names) if len(names) else np.full(len(others), -1)
    raw[others] = np.where(same < 0, len(names) + np.arange(len(others)), same)
    return _numbered(raw, split_group, image_id)


def named(groups: pd.Series) -> Groups:
    """Groups by the name that each row has, none of them null."""
    return _numbered(pd.factorize(groups)[0].astype(np.int64), groups, groups)


def _numbered(raw: Ints, given: pd.Series, own: pd.Series) -> Groups:
    """Numbers in the order of first rows, from any that are not negative."""
    first = np.full(int(raw.max(initial=-1)) + 1, -1, np.int64)
    first[raw[::-1]] = np.arange(len(raw))[::-1]  # backwards, so that the first one is written last
    used = np.flatnonzero(first >= 0)
    used = used[np.argsort(first[used], kind="stable")]
    number = np.empty(len(first), np.int64)
    number[used] = np.arange(len(used))
    return Groups(number[raw], first[used], given, own)
