"""Fails when a page of the built documentation asks other hosts for anything: `python .ci/check_site.py SITE`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

#: What a browser fetches by itself. Links that a reader follows (`<a href>`) and the page's own address may lead away.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|video|audio|source)\b[^>]*\bsrc="?https?://[^>]*>"""
    r"""|<link\b(?![^>]*\brel="?(?:canonical|prev|next))[^>]*\bhref="?https?://[^>]*>""",
    re.IGNORECASE,
)
_STYLE = re.compile(r"""(?:@import\s+|url\()\s*["']?https?://[^)"']*""", re.IGNORECASE)


def main(site: Path) -> None:
    """Look at every page and style sheet."""
    pages = sorted(site.rglob("*.html"))
    found = [f"{p.relative_to(site)}: {m[0][:200]}" for p in pages for m in _FETCHED.finditer(p.read_text("utf-8"))]
    sheets = site.rglob("*.css")
    found += [f"{p.relative_to(site)}: {m[0][:200]}" for p in sheets for m in _STYLE.finditer(p.read_text("utf-8"))]
    if len(pages) < 20 or found:
        sys.exit("\n".join([f"{len(pages)} pages", *found]))
    print(f"{len(pages)} pages, which fetch nothing from elsewhere")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
