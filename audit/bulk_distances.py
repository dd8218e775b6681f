"""How far vectors lie from the bulk of a set: pictures that are alike are each other's nearest neighbours, however
strange they are, so what counts is how far one must go to meet a whole share of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from imageclinic.core.engines.piece_map import Arrays, PieceMap, here

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

#: Vectors that others are compared with, at most: a random sample, so that time grows with their number only.
REFERENCES = 4_000
#: Vectors that are compared together, and in one piece of the work, about.
_BLOCK, _PIECE = 1 << 10, 1 << 14


class Group(NamedTuple):
    """Vectors that are compared with each other."""

    rows: Ints
    share: float
    """In (0, 1): of them, how many must lie within the distance."""
    most: int | None = None
    """Above so many they are compared with a random sample of so many; None: `REFERENCES`."""


class _Block(NamedTuple):
    """Places (first, last) in the rows of all groups and in their references, and which of the nearest counts."""

    rows: tuple[int, int]
    references: tuple[int, int]
    nearest: int


def reaches(
    unit: npt.NDArray[np.float32], groups: Sequence[Group], *, seed: int = 0, piece_map: PieceMap = here
) -> list[Floats]:
    """Cosine distance from each vector of a group within which a share of the group lie.

    Args:
        unit: (n, d), of length 1.
        groups: of these; at least one.
        seed: of the sample of a large group.
        piece_map: where it is done.

    Returns:
        For each group float64, one for each of its rows.
    """
    drawn, pieces, at, known, held = [], list[list[_Block]](), 0, 0, _PIECE
    for group in groups:
        rows, share = group.rows, group.share
        references = _drawn(rows, group.most, seed)
        drawn.append(references)
        # The nearest of all is the vector itself.
        nearest = min(int(np.ceil(share * len(references))), len(references) - 1)
        for first in range(0, len(rows), _BLOCK):
            last = min(first + _BLOCK, len(rows))
            if held >= _PIECE:
                pieces.append([])
                held = 0
            pieces[-1].append(_Block((at + first, at + last), (known, known + len(references)), nearest))
            held += last - first
        at, known = at + len(rows), known + len(references)
    arrays = {"unit": unit, "rows": np.concatenate([g.rows for g in groups]), "references": np.concatenate(drawn)}
    found = np.concatenate(piece_map(_reach, arrays, pieces, images=len(unit)))
    return np.split(found, np.cumsum([len(group.rows) for group in groups])[:-1])


def reach_of_new(new: npt.NDArray[np.float32], unit: npt.NDArray[np.float32], group: Group, *, seed: int = 0) -> Floats:
    """The same from other vectors (m, d), of length 1, to a group of at least one: float64 (m,)."""
    others = -unit[_drawn(group.rows, group.most, seed)]
    nearest = max(min(int(np.ceil(group.share * len(others))), len(others)) - 1, 0)
    found = np.empty(len(new))
    for first in range(0, len(new), _BLOCK):
        unlike = new[first : first + _BLOCK] @ others.T
        unlike.partition(nearest, axis=1)
        found[first : first + _BLOCK] = 1 + unlike[:, nearest]
    return np.maximum(found, 0)


def _drawn(rows: Ints, most: int | None, seed: int) -> Ints:
    most = REFERENCES if most is None else most
    return rows if len(rows) <= most else np.sort(np.random.default_rng(seed).permutation(rows)[:most])


def _reach(arrays: Arrays, blocks: Sequence[_Block]) -> npt.NDArray[Any]:
    """What `reaches` finds for the rows of some blocks."""
    unit, found = arrays["unit"], []
    of, others = (0, 0), unit[:0]
    for block in blocks:
        if block.references != of:
            of, others = block.references, -unit[arrays["references"][slice(*block.references)]]
        unlike = unit[arrays["rows"][slice(*block.rows)]] @ others.T
        unlike.partition(block.nearest, axis=1)
        found.append(1 + unlike[:, block.nearest])
    return np.maximum(np.concatenate(found), 0, dtype=np.float64)
