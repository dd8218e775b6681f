"""Tables of results as plain text, and shares with their intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows in columns: Markdown, so that a table may be pasted as it is. Control characters are escaped."""
    cells = [list(header)] + [[_plain(str(cell)) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text).replace("|", "\\|")


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share: E. B. Wilson (1927), JASA 22:209."""
    if not n:
        return 0.0, 1.0
    z = 1.959964
    middle = (hits + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(hits * (n - hits) / n + z * z / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def share(hits: int, n: int) -> str:
    """A share of n with its 95 % interval, such as ``19/20 (76–99 %)``."""
    low, high = wilson(hits, n)
    return f"{hits}/{n} ({100 * low:.0f}–{100 * high:.0f} %)"
