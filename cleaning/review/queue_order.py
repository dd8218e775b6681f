"""In which order each of several reviewers takes the images, so that no two look at the same one at once; and images
that are mixed into a queue. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from imageclinic.core.reading.hashing import text_digest

#: Images are shared out within so many, so that the most urgent ones stay in front for everybody.
BLOCK = 40


def shared(units: Sequence[str], reviewers: Sequence[str], me: str) -> list[int]:
    """Positions in the order in which `me` takes them: of each block first one's own part, then the others'.

    Who comes first to the end of a part goes on with what the others have left. One reviewer keeps the order as it is.

    Args:
        units: what belongs together at each position: a cluster of copies, or the image itself.
        reviewers: everybody who decides about the run.
        me: one of them.
    """
    names = sorted({*reviewers, me})
    mine = names.index(me)

    def part(at: int) -> int:  # 0 is one's own; the others follow in a circle
        return (int(text_digest(units[at], 8), 16) - mine) % len(names)

    starts = range(0, len(units), BLOCK)
    return [at for start in starts for at in sorted(range(start, min(start + BLOCK, len(units))), key=part)]


def mixed(
    order: Sequence[str], extra: Sequence[str], share: float, seed: str, units: Mapping[str, str] | None = None
) -> tuple[list[str], list[str]]:
    """A queue into which other images are mixed, each place by chance, so that nobody can tell which come next.

    Args:
        order: the queue, most urgent first.
        extra: images to mix in, first come first; none of them in `order`.
        share: probability that a place is one of theirs, from 0 to below 1.
        seed: of the chance; the same arguments give the same queue.
        units: image → what must stay side by side, such as a cluster of copies; an image that is missing is alone.

    Returns:
        The new queue, which ends where `order` does, and those of `extra` for which it had no place.
    """
    rng = random.Random(seed)
    units = units or {}
    left, result = list(extra), list[str]()
    before = None
    for name in order:
        unit = units.get(name, name)
        while left and unit != before and rng.random() < share:
            result.append(left.pop(0))
        result.append(name)
        before = unit
    return result, left
