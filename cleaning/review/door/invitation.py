"""The secret of a review: in the link that is printed, and from there in a cookie.

Each review has a new one. The page behind the link gives the browser the cookie and goes on to the App under an address
without the secret, so that no bookmark or picture of the screen holds it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

PARAMETER = "token"
# What FiftyOne's App looks for under this address: its advert, which lies over our panel, was closed; the sidebar of
# filters is folded away (a reviewer who unfolds it finds it so the next time), and its viewer leaves empty fields out.
_PAGE = """<!doctype html><meta charset="utf-8"><title>imageclinic review</title>
<script nonce="{nonce}">
try {{
  for (const [name, value] of [
    ["fiftyone-enterprise-tooltip-seen", true], ["sidebarVisible-modal-false", false], ["hideNoneValuedFields", true],
  ]) if (localStorage.getItem(name) === null) localStorage.setItem(name, value);
}} catch (error) {{ /* only its looks */ }}
location.replace({target});
</script>
<noscript>The App needs JavaScript.</noscript>
"""


def new_secret() -> str:
    """A secret of 256 bits, as written in the link."""
    return secrets.token_urlsafe(32)


class Invitation:
    """Checks the secret of one review, in links and in cookies."""

    def __init__(self, secret: str, *, encrypted: bool) -> None:
        self._secret = secret.encode()
        # Browsers keep one set of cookies for all ports of a host: another review must not overwrite this one's.
        self._name = "imageclinic-" + hashlib.sha256(self._secret).hexdigest()[:12]
        self._value = hmac.new(self._secret, b"cookie", hashlib.sha256).hexdigest()
        self._secure = encrypted

    def holds_cookie(self, headers: Headers) -> bool:
        """Whether a request brings this review's cookie."""
        found = [cookie_parser(header).get(self._name, "") for header in headers.getlist("cookie")]
        return any(hmac.compare_digest(value.encode(), self._value.encode()) for value in found)

    def welcome(self, scope: Scope) -> Response | None:
        """The page that hands over the cookie, when a request is for this review's link."""
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == PARAMETER]
        if len(given) != 1 or not hmac.compare_digest(given[0].encode(), self._secret):
            return None
        rest = urlencode([(name, value) for name, value in query if name != PARAMETER])
        target = "/" + quote(scope["path"].lstrip("/")) + (f"?{rest}" if rest else "")
        nonce = secrets.token_urlsafe(16)
        page = _PAGE.format(nonce=nonce, target=json.dumps(target).replace("<", "\\u003c"))
        policy = f"default-src 'none'; script-src 'nonce-{nonce}'; frame-ancestors 'none'"
        response = HTMLResponse(page, headers={"Content-Security-Policy": policy, "Cache-Control": "no-store"})
        response.set_cookie(self._name, self._value, httponly=True, samesite="strict", secure=self._secure)
        return response
