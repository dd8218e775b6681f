"""For sentences that users read: tests hold them to their numbers, names and commands, not to their English."""

from __future__ import annotations


def lacking(text: str, *parts: str) -> list[str]:
    """The parts that are not in the text, in their order."""
    found, rest = [], text
    for part in parts:
        before, here, after = rest.partition(part)
        if here:
            rest = after
        else:
            found.append(f"{part!r} in {before!r}")
    return found
