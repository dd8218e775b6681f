"""Lists and names in messages: the first few, and how many more there are; names as they are unless that misleads."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

#: So many items of a list are shown.
SHOWN = 5


def shown(name: str) -> str:
    """A name as it is; quoted, with escapes, where a reader could not see what it is: spaces at its ends, line breaks,
    characters made of several, commas."""
    plain = name.isprintable() and name == name.strip() and unicodedata.is_normalized("NFC", name)
    return name if plain and name and "," not in name else ascii(name) if not plain else repr(name)


def few(items: Sequence[str], limit: int = SHOWN, separator: str = ", ") -> str:
    """``a, b, c, d, e and 1,995 more``: the first items of a list; the last one in place of ``and 1 more``."""
    if len(items) <= limit + 1:
        return separator.join(items)
    return f"{separator.join(items[:limit])} and {len(items) - limit:,} more"


def few_notes(notes: Sequence[str], rest: str, limit: int = SHOWN) -> list[str]:
    """The first sentences of many of one kind, and one for the others: ``… and 1,995 more`` + `rest`."""
    if len(notes) <= limit:
        return list(notes)
    return [*notes[:limit], f"… and {len(notes) - limit:,} more {rest}."]
