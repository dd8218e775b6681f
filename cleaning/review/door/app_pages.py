"""What the App's pages may do in the browser, and the pages without what they would ask from the web.

FiftyOne's pages ask for fonts from fonts.googleapis.com, and parts of the App load more from elsewhere. The links to
fonts are taken out, so that nothing is refused in vain; the content security policy keeps the rest on this host.
"""

from __future__ import annotations

import re

#: For the App's own pages. It makes styles, workers and shaders at run time.
POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
#: For pictures, should one be opened by itself.
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; sandbox; frame-ancestors 'none'"
_ELSEWHERE = re.compile(
    rb"""<link\b[^>]*\bhref="https?://[^>]*>|"""
    rb"""@import\s*(?:url\()?\s*(?:"https?://[^"]*"|'https?://[^']*'|https?://[^)\s;]*)\s*\)?[^;{}]*;"""
)


def without_web_fonts(body: bytes) -> bytes:
    """An HTML page or a style sheet without its links and imports from other hosts."""
    return _ELSEWHERE.sub(b"", body)
