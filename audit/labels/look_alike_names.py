"""Names of classes that are most likely one class under two spellings. Pure."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

_STRAY_BYTE = re.compile(r"(?<!\\)\\x([89a-f][0-9a-f])")
_INTEGER = re.compile(r"([+-]?)0*(\d+)(?:\.0+)?")
_BETWEEN_WORDS = re.compile(r"(?<=[^\W_])[\s_-]+(?=[^\W_])")
# Values that programs write for "missing", as text. "none" in lower case is a class of its own in many datasets.
_MISSING = frozenset({"nan", "null", "<na>", "nat", "n/a", "#n/a", "undefined", "(null)"})
_MISSING_EXACT = frozenset({"None", "NA"})


def _visible(name: str) -> str:
    """Without what a reader can't see: bytes of another encoding, other forms of a character, spaces at the ends and
    doubled ones, characters without width."""
    text = _STRAY_BYTE.sub(lambda m: bytes([int(m[1], 16)]).decode("cp1252", "replace"), name)
    with contextlib.suppress(UnicodeError):  # most names are no UTF-8 that was read as Latin-1 (cafÃ©)
        text = text.encode("latin-1").decode("utf-8")
    text = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return " ".join(text.split())


def _number(name: str) -> str:
    found = _INTEGER.fullmatch(name)
    return name if found is None else f"{found[1].replace('+', '')}{found[2]}"


def _case(name: str) -> str:
    # "a" and "A" are two classes where letters are recognised.
    return name if len(name) == 1 else name.casefold()


def _words(name: str) -> str:
    return _BETWEEN_WORDS.sub(" ", name)


#: What may differ, each on top of those before it: what it is called, how to take it away, and the score.
_DIFFERENCES: tuple[tuple[str, Callable[[str], str], float], ...] = (
    ("spaces or characters that look the same", _visible, 1.0),
    ("how a number is written", _number, 0.9),
    ("upper and lower case", _case, 0.8),
    ("spaces, hyphens and underscores", _words, 0.7),
)
_MISSING_SCORE = 0.5


@dataclass(frozen=True)
class LookAlike:
    """A class whose name differs from the name `other` in little, the `difference`; `other` is None for a name that
    says that a value is missing. `score` in (0, 1]: 1 = the names look the same."""

    name: str
    other: str | None
    difference: str
    score: float


def find(sizes: Mapping[str, int]) -> list[LookAlike]:
    """Look-alikes among classes, by name.

    Args:
        sizes: number of images of each class. Of names that look alike the one with the most images is `other`; of
            equally many one without oddities, then the first in order.
    """
    forms = {name: _forms(name) for name in sizes}
    alike: dict[str, list[str]] = {}
    for name in sorted(sizes):
        alike.setdefault(forms[name][-1], []).append(name)
    found = []
    for names in alike.values():
        best = max(names, key=lambda name: (sizes[name], name == _visible(name), -names.index(name)))
        for name in names:
            if name != best:
                at = next(i for i, (a, b) in enumerate(zip(forms[name], forms[best], strict=True)) if a == b)
                what, _, score = _DIFFERENCES[at]
                found.append(LookAlike(name, best, what, score))
            elif _says_missing(name):
                found.append(LookAlike(name, None, "", _MISSING_SCORE))
    return sorted(found, key=lambda each: each.name)


def _forms(name: str) -> list[str]:
    forms = []
    for _, take_away, _ in _DIFFERENCES:
        name = take_away(name)
        forms.append(name)
    return forms


def _says_missing(name: str) -> bool:
    text = name.strip()
    return text.lower() in _MISSING or text in _MISSING_EXACT


def in_words(found: Iterable[LookAlike], sizes: Mapping[str, int]) -> list[str]:
    """A phrase for each: ``'Cat' (3 images) and 'cat' (20): upper and lower case``."""
    return [
        f"{quoted(each.name)} ({sizes[each.name]:,}) looks like a missing value"
        if each.other is None
        else f"{quoted(each.name)} ({sizes[each.name]:,}) and {quoted(each.other)} ({sizes[each.other]:,}) differ in "
        f"{each.difference}"
        for each in found
    ]


def quoted(name: str) -> str:
    """A name in quotes, with escapes for all that can't be recognised by its looks."""
    visible = name.isprintable() and unicodedata.is_normalized("NFC", name)
    return f"'{name}'" if visible else ascii(name)
