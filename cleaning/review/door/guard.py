"""The guard: an ASGI middleware that every request passes before FiftyOne's server gets it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imageclinic.cleaning.review.door import allowed_operators, app_pages, report_page
from imageclinic.cleaning.review.door.hosts import Hosts
from imageclinic.cleaning.review.door.invitation import Invitation
from imageclinic.cleaning.review.door.media import Media, Picture
from imageclinic.cleaning.review.door.report_page import ReportPage

_NO_KEY = (
    "This review is locked. Open the link that imageclinic review has printed; "
    "each start of a review prints a new one, and old ones don't open it.\n"
)
_OK, _PARTIAL_CONTENT, _FORBIDDEN, _NOT_FOUND, _TOO_LARGE = 200, 206, 403, 404, 413
#: Headers of a request for a part of a file, or only for a changed one.
_PARTIAL = (b"if-none-match", b"if-modified-since", b"range", b"if-range")


class Guard:
    """Passes on what the reviewer's own browser asks for the review, and refuses all else in one line of text."""

    def __init__(
        self, app: ASGIApp, *, hosts: Hosts, invitation: Invitation, media: Media, report: ReportPage | None = None
    ) -> None:
        self._app, self._hosts, self._invitation, self._media, self._report = app, hosts, invitation, media, report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif refused := self._refused(scope):
            await _answer(refused, scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refused(self, scope: Scope) -> Response | None:
        """The answer to a request that does not get to FiftyOne: a refusal, or the page behind the link."""
        headers = Headers(scope=scope)
        if reason := self._hosts.refusal(headers):
            return _text(reason)
        if welcome := self._invitation.welcome(scope):
            return welcome
        if not self._invitation.holds_cookie(headers):
            return _text(_NO_KEY)
        if reason := self._hosts.foreign(scope.get("method", "websocket"), headers):
            return _text(reason)
        return None

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        outgoing = _Outgoing(send)
        if path.startswith("/media"):
            picture = await self._picture(scope)
            if picture is None:
                await _answer(_text("No picture of this review.", _NOT_FOUND), scope, receive, send)
                return
            outgoing.media_type = picture.media_type
            # What was checked is what is read: FiftyOne gets no other reading of the request.
            scope = {**scope, "path": "/media", "raw_path": b"/media"}
            scope["query_string"] = urlencode({"filepath": picture.path}).encode()
        elif path == report_page.PATH and self._report and scope["method"] == "GET":
            await _answer(await self._report.answer(), scope, receive, send)
            return
        elif path in ("/operators", "/operators/resolve-placements"):
            outgoing.change = allowed_operators.listed
        elif path.startswith("/operators"):
            body = await _body(receive)
            if body is None:
                await _answer(_text("The request is too large.", _TOO_LARGE), scope, receive, send)
                return
            if reason := allowed_operators.refusal(body):
                await _answer(_text(reason), scope, receive, send)
                return
            receive = _again(body, receive)
        elif path.endswith(".css") or "." not in path.rpartition("/")[2]:
            # A page or style sheet is changed below: it has to come whole, and never as "not modified".
            scope = {**scope, "headers": [(name, value) for name, value in scope["headers"] if name not in _PARTIAL]}
        await self._app(scope, receive, outgoing.send)

    async def _picture(self, scope: Scope) -> Picture | None:
        query = parse_qsl(scope["query_string"].decode("latin-1"))
        paths = [value for name, value in query if name == "filepath"]
        return await asyncio.to_thread(self._media.find, paths[0]) if len(paths) == 1 else None


class _Outgoing:
    """Sends FiftyOne's answer on, with our headers.

    Attributes:
        media_type: what a picture is; None for what is no picture.
        change: what becomes of a body that is sent whole; pages and style sheets lose what they ask from the web.
    """

    def __init__(self, send: Send) -> None:
        self.media_type: str | None = None
        self.change: Callable[[bytes], bytes] | None = None
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message["headers"]))
            self._guard(headers, message["status"])
            message = {**message, "headers": headers.raw}
            if headers.get("content-type", "").startswith(("text/html", "text/css")):
                self.change = app_pages.without_web_fonts
            if self.change and message["status"] == _OK:
                self._start = message
                return
        elif self._start and self.change and message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if message.get("more_body", False):
                return
            headers = MutableHeaders(raw=self._start["headers"])
            body = self.change(self._body) if self._body else b""  # HEAD has none, and keeps the length of the original
            if body:
                headers["content-length"] = str(len(body))
            await self._send({**self._start, "headers": headers.raw})
            self._start = None
            message = {**message, "body": body}
        await self._send(message)

    def _guard(self, headers: MutableHeaders, status: int) -> None:
        for name in [name for name in headers if name.startswith("access-control-")]:
            del headers[name]
        headers["Content-Security-Policy"] = app_pages.PICTURE_POLICY if self.media_type else app_pages.POLICY
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers["Referrer-Policy"] = "no-referrer"
        if self.media_type and status in (_OK, _PARTIAL_CONTENT):
            headers["Content-Type"] = self.media_type


def _text(words: str, status: int = _FORBIDDEN) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
    return PlainTextResponse(words.rstrip("\n") + "\n", status, headers)


async def _answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await response(scope, receive, send)


async def _body(receive: Receive) -> bytes | None:
    """The whole request; None when it is larger than an operator's may be."""
    parts, size = [], 0
    while True:
        message: dict[str, Any] = dict(await receive())
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > allowed_operators.LARGEST_REQUEST:
            return None
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read already, and then what follows."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
