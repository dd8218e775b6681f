"""The guard before a small app that answers everything: what it passes on, and what not."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from starlette.types import Message, Receive, Scope, Send

from imageclinic.cleaning.review.door.guard import Guard
from imageclinic.cleaning.review.door.hosts import Hosts
from imageclinic.cleaning.review.door.invitation import Invitation
from imageclinic.cleaning.review.door.media import Media
from imageclinic.cleaning.review.door.report_page import ReportPage
from imageclinic.core.run import Run
from tests.helpers.review_run import COPIES, make_run

SECRET = "the secret"
HOST = "127.0.0.1:5151"
ORIGIN = f"http://{HOST}"
Headers = list[tuple[str, str]]


class Answering:
    """An ASGI app that keeps what reached it, and answers with one body."""

    def __init__(self, body: bytes = b"{}", kind: str = "application/json") -> None:
        self.scopes: list[Scope] = []
        self.bodies: list[bytes] = []
        self._body, self._kind = body, kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        self.bodies.append((await receive()).get("body", b""))
        headers = [
            (b"content-type", self._kind.encode()),
            (b"content-length", str(len(self._body)).encode()),
            (b"access-control-allow-origin", b"*"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        half = len(self._body) // 2
        await send({"type": "http.response.body", "body": self._body[:half], "more_body": True})
        await send({"type": "http.response.body", "body": self._body[half:]})


class Asked:
    """What came back."""

    def __init__(self, messages: list[Message]) -> None:
        start = next(m for m in messages if m["type"] in ("http.response.start", "websocket.accept", "websocket.close"))
        self.type, self.status = start["type"], start.get("status")
        self.headers = {name.decode().lower(): value.decode() for name, value in start.get("headers", [])}
        self.body = b"".join(m.get("body", b"") for m in messages if m["type"] == "http.response.body")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("guard"))


def cookie() -> str:
    """What a browser has after it opened the link."""
    response = Invitation(SECRET, encrypted=False).welcome(
        {"type": "http", "method": "GET", "path": "/", "query_string": b"token=the+secret", "headers": []}
    )
    assert response
    return response.headers["set-cookie"].split(";")[0]


def ask(
    app: Any,
    run: Run,
    path: str = "/",
    *,
    method: str = "GET",
    query: str = "",
    headers: Headers | None = None,
    body: bytes = b"",
    kind: str = "http",
    report: ReportPage | None = None,
) -> Asked:
    """Ask the guard before `app`; `headers` default to those of the reviewer's own page."""
    guard = Guard(
        app,
        hosts=Hosts(("localhost",), True, "http"),
        invitation=Invitation(SECRET, encrypted=False),
        media=Media(run),
        report=report,
    )
    sent = OWN if headers is None else headers
    scope = {
        "type": kind,
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in sent],
        **({"method": method} if kind == "http" else {}),
    }
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    asyncio.run(guard(scope, receive, send))
    return Asked(messages)


OWN: Headers = [("host", HOST), ("cookie", cookie()), ("origin", ORIGIN), ("sec-fetch-site", "same-origin")]


def changed(**values: str | None) -> Headers:
    """The reviewer's own headers with others in their place; None: without."""
    names = {name.replace("_", "-"): value for name, value in values.items()}
    kept = [(name, value) for name, value in OWN if name not in names]
    return kept + [(name, value) for name, value in names.items() if value is not None]


FOREIGN = {
    "no cookie": changed(cookie=None),
    "another cookie": changed(cookie="imageclinic-000000000000=0"),
    "the right name, another value": changed(cookie=cookie().split("=")[0] + "=0"),
    "no host": changed(host=None),
    "two hosts": [*OWN, ("host", HOST)],
    "a name that points here": changed(host="evil.example:5151"),
    "a name that begins like ours": changed(host="127.0.0.1.evil.example:5151"),
    "a name that ends like ours": changed(host="evil-localhost:5151"),
    "all addresses": changed(host="0.0.0.0:5151", origin="http://0.0.0.0:5151"),
    "all addresses of IPv6": changed(host="[::]:5151", origin="http://[::]:5151"),
    "another machine": changed(host="192.168.1.7:5151", origin="http://192.168.1.7:5151"),
    "no host that can be read": changed(host="127.0.0.1@evil.example"),
    "another origin": changed(origin="http://evil.example"),
    "another port": changed(origin="http://127.0.0.1:9999"),
    "another scheme": changed(origin="https://127.0.0.1:5151"),
    "an origin of its own": changed(origin="null"),
    "no origin": changed(origin=None),
    "two origins": [*OWN, ("origin", "http://evil.example")],
    "named by the browser": changed(sec_fetch_site="cross-site"),
    "another port, named by the browser": changed(sec_fetch_site="same-site"),
}


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("headers", FOREIGN.values(), ids=list(FOREIGN))
def test_what_is_not_the_reviewers_own_page_gets_nowhere(run: Run, headers: Headers, kind: str) -> None:
    app = Answering()
    asked = ask(app, run, "/aggregate", method="POST", headers=headers, kind=kind)
    assert app.scopes == []
    assert asked.status == 403 if kind == "http" else asked.type == "websocket.close"


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("host", ["127.0.0.1:5151", "127.0.0.9", "localhost:6000", "LOCALHOST:6000", "[::1]:5151"])
def test_the_reviewers_own_page_gets_through_by_every_name_of_this_machine(run: Run, host: str, kind: str) -> None:
    app = Answering()
    headers = changed(host=host, origin=f"http://{host}")
    asked = ask(app, run, "/aggregate", method="POST", headers=headers, kind=kind, body=b"[1]")
    assert len(app.scopes) == 1
    assert asked.status == 200 if kind == "http" else asked.type == "websocket.accept"
    assert app.bodies == ([b"[1]"] if kind == "http" else [])


def test_what_only_reads_needs_no_origin(run: Run) -> None:
    assert ask(Answering(), run, headers=changed(origin=None, sec_fetch_site=None)).status == 200
    assert ask(Answering(), run, headers=changed(origin=None, sec_fetch_site="none")).status == 200
    assert ask(Answering(), run, headers=changed(origin=None, sec_fetch_site="cross-site")).status == 403


def test_the_link_gives_a_cookie_that_no_script_reads_and_no_other_site_sends(run: Run) -> None:
    app = Answering()
    query = urlencode({"view": "in</script>box", "token": SECRET})
    asked = ask(app, run, "//evil.example/data", query=query, headers=[("host", HOST)])
    assert (asked.status, app.scopes) == (200, [])
    given = asked.headers["set-cookie"]
    assert given.startswith(cookie() + ";")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in given.split(";")}
    assert SECRET not in given
    text = asked.body.decode()
    assert SECRET not in text, "the address that the page goes on to is without the secret"
    assert 'location.replace("/evil.example/data?view=in%3C%2Fscript%3Ebox")' in text
    assert text.count("</script>") == 1
    assert "secure" not in given.lower()
    secure = Invitation(SECRET, encrypted=True).welcome(
        {"type": "http", "method": "GET", "path": "/", "query_string": b"token=the+secret", "headers": []}
    )
    assert secure and "Secure" in secure.headers["set-cookie"]


@pytest.mark.parametrize(
    ("query", "method", "host"),
    [
        ("token=another", "GET", HOST),
        ("token=", "GET", HOST),
        ("", "GET", HOST),
        ("token=the+secret&token=the+secret", "GET", HOST),
        ("token=the+secret", "POST", HOST),
        ("token=the+secret", "GET", "evil.example"),
        ("token=%FF%00", "GET", HOST),
    ],
)
def test_another_link_opens_nothing(run: Run, query: str, method: str, host: str) -> None:
    app = Answering()
    asked = ask(app, run, query=query, method=method, headers=[("host", host)])
    assert (asked.status, app.scopes) == (403, [])
    assert "set-cookie" not in asked.headers
    assert b"imageclinic review" in asked.body


def test_two_reviews_on_one_machine_have_cookies_of_their_own(run: Run) -> None:
    other = Invitation("another", encrypted=False).welcome(
        {"type": "http", "method": "GET", "path": "/", "query_string": b"token=another", "headers": []}
    )
    assert other
    theirs = other.headers["set-cookie"].split(";")[0]
    assert theirs.split("=")[0] != cookie().split("=")[0]
    assert ask(Answering(), run, headers=changed(cookie=theirs)).status == 403
    assert ask(Answering(), run, headers=changed(cookie=f"{theirs}; {cookie()}")).status == 200


@pytest.mark.parametrize("path", ["/media", "/media/", "/media\n", "/mediax"])
def test_only_pictures_of_the_run_are_read(run: Run, path: str, tmp_path: Path) -> None:
    own = run.root / COPIES[0]
    for filepath, wanted in [
        ("/etc/passwd", 404),
        (str(run.decisions), 404),
        (str(run.info_file), 404),
        (f"{run.root}/../run/run.json", 404),
        (f"{own}\0", 404),
        ("", 404),
        (str(own), 200),
        (f"{run.root}/cat/../{COPIES[0]}", 200),
    ]:
        app = Answering()
        asked = ask(app, run, path, query=urlencode({"filepath": filepath}))
        assert asked.status == wanted, filepath
        if wanted == 200:
            assert app.scopes[0]["path"] == "/media"
            assert app.scopes[0]["query_string"].decode() == urlencode({"filepath": os.path.realpath(own)})
            assert asked.headers["content-type"] == "image/png"
            assert "sandbox" in asked.headers["content-security-policy"]
        else:
            assert app.scopes == []


@pytest.mark.parametrize("query", ["filepath={}&filepath=/etc/passwd", "filepath=/etc/passwd&filepath={}", ""])
def test_a_request_for_two_files_or_none_is_for_none(run: Run, query: str) -> None:
    app = Answering()
    assert ask(app, run, "/media", query=query.format(quote(str(run.root / COPIES[0])))).status == 404
    assert app.scopes == []


@pytest.mark.parametrize(
    "request_body",
    [
        b'{"operator_uri": "@voxel51/operators/list_files"}',
        b'{"operator_uri": "@voxel51/operators/download_file"}',
        b'{"operator_uri": "list_files"}',
        b'{"operator_uri": "@voxel51/operators/list_saved_views#x"}',
        b'{"operator_uri": "@imageclinic/review/../../voxel51/operators/list_files", "operator_uri": "list_files"}',
        b'{"operator_uri": ["@imageclinic/review/keep"]}',
        b'{"params": {}}',
        b"[]",
        b"",
        b"\xff",
        b"[" * 100_000,
        '{"operator_uri": "@voxel51/operators/list_files"}'.encode("utf-16"),
    ],
)
@pytest.mark.parametrize("path", ["/operators/execute", "/operators/execute/generator", "/operators/x\n"])
def test_other_operators_do_not_run(run: Run, path: str, request_body: bytes) -> None:
    app = Answering()
    assert ask(app, run, path, method="POST", body=request_body).status == 403
    assert app.scopes == []


@pytest.mark.parametrize("uri", ["@imageclinic/review/keep", "@voxel51/operators/list_saved_views"])
def test_what_a_review_needs_runs_and_gets_the_request_as_it_came(run: Run, uri: str) -> None:
    app = Answering()
    body = json.dumps({"operator_uri": uri, "params": {"label": "\N{PILE OF POO}"}}).encode()
    assert ask(app, run, "/operators/execute", method="POST", body=body).status == 200
    assert app.bodies == [body]


def test_only_what_may_run_is_listed(run: Run) -> None:
    both = ["@imageclinic/review/keep", "@voxel51/operators/list_files"]
    operators = Answering(json.dumps({"operators": [{"uri": uri} for uri in both], "errors": []}).encode())
    asked = ask(operators, run, "/operators", method="POST", body=b"{}")
    assert json.loads(asked.body) == {"operators": [{"uri": both[0]}], "errors": []}
    assert asked.headers["content-length"] == str(len(asked.body))
    placements = Answering(json.dumps({"placements": [{"operator_uri": uri} for uri in both]}).encode())
    asked = ask(placements, run, "/operators/resolve-placements", method="POST", body=b"{}")
    assert json.loads(asked.body) == {"placements": [{"operator_uri": both[0]}]}


def test_too_large_a_request_is_not_read_to_its_end(run: Run) -> None:
    app = Answering()
    asked = ask(app, run, "/operators/execute", method="POST", body=b" " * (1 << 24) + b" ")
    assert (asked.status, app.scopes) == (413, [])


PAGE = (
    b'<link rel="icon" href="./favicon.ico" />\n'
    b'<link rel="preload" href="https://fonts.googleapis.com/css2?family=A&display=swap" as="font" crossorigin>\n'
    b'<script type="module" crossorigin src="./assets/index.js"></script>'
)
STYLE = (
    b'@import"https://fonts.googleapis.com/css2?family=A:wght@400;600&display=swap";'
    b"@import url(http://fonts.example/b.css);@import url('https://fonts.example/c;d.css') screen;"
    b'@import"./own.css";body{background:url(https://www.w3.org/x.svg)}'
)


@pytest.mark.parametrize(
    ("path", "kind", "sent", "wanted"),
    [
        ("/datasets/x", "text/html; charset=utf-8", PAGE, b"\n".join(PAGE.split(b"\n")[::2]).replace(b"\n", b"\n\n")),
        ("/a.css", "text/css", STYLE, b'@import"./own.css";body{background:url(https://www.w3.org/x.svg)}'),
        ("/a.js", "text/javascript", STYLE, STYLE),
    ],
)
def test_pages_ask_the_web_for_nothing(run: Run, path: str, kind: str, sent: bytes, wanted: bytes) -> None:
    app = Answering(sent, kind)
    partial = [("range", "bytes=1-"), ("if-none-match", '"x"')]
    asked = ask(app, run, path, headers=[*OWN, *partial])
    assert asked.body == wanted
    assert asked.headers["content-length"] == str(len(wanted))
    policy = asked.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "http" not in policy and "*" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "access-control-allow-origin" not in asked.headers
    names = {name.decode() for name, _ in app.scopes[0]["headers"]}
    assert bool({"range", "if-none-match"} & names) == path.endswith(".js")


def test_the_report_is_behind_the_guard_and_made_again_when_something_was_decided(run: Run) -> None:
    run.review.mkdir(exist_ok=True)
    script = "import sys; log, file = sys.argv[1:]; open(file, 'w').write(f'<p>{len(open(log).read())}')"
    run.decisions.write_text("one", "utf-8")
    page = ReportPage(run, [sys.executable, "-c", script, str(run.decisions)])
    app = Answering()
    assert ask(app, run, "/report", headers=changed(cookie=None), report=page).status == 403
    assert ask(app, run, "/report", headers=changed(sec_fetch_site="cross-site"), report=page).status == 403
    planted = run.review / "report.html"
    assert not planted.exists()
    planted.write_text("<script>alert(1)</script>", "utf-8")
    os.utime(planted, (2**32, 2**32))
    answer = ask(app, run, "/report", report=page)
    assert (answer.status, answer.body) == (200, b"<p>3")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    written = planted.stat().st_mtime_ns
    planted.write_text("<script>alert(1)</script>", "utf-8")
    os.utime(planted, ns=(written, written))
    assert ask(app, run, "/report", report=page).body == b"<p>3", "nothing has changed"
    run.decisions.write_text("three", "utf-8")
    assert ask(app, run, "/report", report=page).body == b"<p>5"
    run.decisions.unlink()
    failed = ask(app, run, "/report", report=ReportPage(run, [sys.executable, "-c", script, str(run.decisions)]))
    assert failed.status == 500 and b"No such file" in failed.body
    assert not app.scopes, "FiftyOne has no part in it"
