"""Foreign text made safe for a terminal: names, labels and messages may hold what moves the cursor, sets the window's
title or the clipboard, or turns the order of letters around. All that the command line prints goes through here."""

from __future__ import annotations

import json
import re
from typing import Any

# Controls (C0 but tab and newline, DEL, C1), marks that set the direction of writing (Unicode Annex 9), separators of
# lines and paragraphs, invisible tags and marks of byte order, and halves of pairs, which no terminal can show.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
_SPACE = re.compile("[\t\n]")


def safe(text: str, *, lines: bool = False) -> str:
    r"""The text with what a terminal would act on written out, such as ``\x1b`` and ``\u202e``.

    Args:
        text: any.
        lines: whether it may have several lines; else tabs and newlines are written out too.
    """
    shown = _UNSAFE.sub(_escape, text)
    return shown if lines else _SPACE.sub(lambda match: {"\t": "\\t", "\n": "\\n"}[match[0]], shown)


def safe_json(value: Any, *, plain: bool = False, **options: Any) -> str:
    """`value` as JSON that is safe to print and reads back the same: what `safe` writes out is escaped as JSON does.
    With `plain`, whatever is not ASCII is."""
    text = json.dumps(value, ensure_ascii=plain, **options)
    return _UNSAFE.sub(lambda match: json.dumps(match[0])[1:-1], text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
