"""In which order each of several reviewers takes the images, so that no two look at the same one at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence

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
