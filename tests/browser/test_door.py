"""A reviewer who opens other pages during a review; and the App, which asks nothing of the web. Real Chromium."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Request, Response

from imageclinic.cleaning.decisions import decision_log
from imageclinic.core.run import Run
from tests.browser.driver import app, close_image, current, log, open_image, open_view, page, wait_for
from tests.helpers.review_run import COPIES, make_run

pytestmark = pytest.mark.browser
#: As an attacker's name server would: first to his own machine, then to the reviewer's.
_REBOUND = "--host-resolver-rules=MAP evil.example 127.0.0.1"
#: What a page can do without the other side's consent; each way ends, and says how.
_ATTACK = """async ([port, dataset]) => {
  const body = JSON.stringify({operator_uri: "@imageclinic/review/whole_view", dataset_name: dataset, view: [],
                               params: {decision: "drop", sure: true}});
  const ends = [];
  for (const name of [OWN, "127.0.0.1", "localhost", "[::1]", "0.0.0.0"]) {
    const server = name + ":" + port;
    const post = fetch("http://" + server + "/operators/execute",
                       {method: "POST", mode: "no-cors", credentials: "include", body});
    ends.push(await post.then((answer) => answer.type, () => "error"));
    ends.push(await new Promise((done) => {
      const socket = new WebSocket("ws://" + server + "/events");
      socket.onopen = () => done("OPEN");
      socket.onerror = () => done("error");
    }));
    ends.push(await new Promise((done) => {
      const image = new Image();
      image.onload = () => done("LOADED");
      image.onerror = () => done("error");
      image.src = "http://" + server + "/media?filepath=" + encodeURIComponent(PICTURE);
    }));
  }
  return ends;
}"""
_IN_THE_APP = """async ([dataset, operator]) => {
  const body = JSON.stringify({operator_uri: "@imageclinic/review/" + operator, dataset_name: dataset, view: [],
                               params: {decision: "drop", sure: true}});
  return (await fetch("/operators/execute", {method: "POST", body})).status;
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, str]]:
    run = make_run(tmp_path_factory.mktemp("door"))
    with app(run.path) as inbox:
        yield run, inbox


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Page]:
    with page(tmp_path / "profile", flags=[_REBOUND]) as opened:
        yield opened


@pytest.fixture
def elsewhere() -> Iterator[tuple[int, list[str]]]:
    """A server of somebody else's on this machine, with empty pages: its port, and the cookies that it was sent."""
    cookies: list[str] = []

    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            cookies.extend(self.headers.get_all("Cookie", []))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>elsewhere</title>")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1], cookies
        server.shutdown()
        thread.join()


# A page of another port of the review's own host is sent the cookie, but nobody else knows that host.
@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1", "its own"])
def test_another_page_neither_decides_nor_reads(
    served: tuple[Run, str], shown: Page, elsewhere: tuple[int, list[str]], name: str
) -> None:
    run, inbox = served
    port, cookies = elsewhere
    where, before = urlsplit(inbox), len(decision_log.read(run.decisions))
    dataset = where.path.rsplit("/", 1)[1]
    open_view(shown, inbox)
    assert where.hostname and where.hostname.endswith(".localhost")
    shown.goto(f"http://{where.hostname if name == 'its own' else name}:{port}/")
    assert shown.title() == "elsewhere"
    shown.reload()  # what SameSite keeps from a first visit comes now
    assert any("imageclinic" in cookie for cookie in cookies) == (name == "its own")
    attack = _ATTACK.replace("PICTURE", repr(str(run.root / COPIES[0]))).replace("OWN", repr(where.hostname))
    ends = shown.evaluate(attack, [where.port, dataset])
    assert len(ends) == 15
    assert not {"OPEN", "LOADED"} & set(ends)
    with shown.expect_navigation():
        shown.evaluate(
            """([url, dataset]) => {
              const form = document.createElement("form");
              Object.assign(form, {method: "post", enctype: "text/plain", action: url});
              const field = document.createElement("input");
              field.name = JSON.stringify({operator_uri: "@imageclinic/review/whole_view", dataset_name: dataset,
                                           view: [], params: {decision: "drop", sure: true}}).slice(0, -1) + ',"x":"';
              field.value = '"}';
              form.append(field);
              document.body.append(form);
              form.submit();
            }""",
            [f"http://{where.netloc}/operators/execute", dataset],
        )
    assert "may ask this" in shown.inner_text("body") or "locked" in shown.inner_text("body")
    assert len(decision_log.read(run.decisions)) == before
    open_view(shown, inbox)
    assert shown.evaluate(_IN_THE_APP, [dataset, "whole_view"]) == 200
    assert len(decision_log.read(run.decisions)) > before
    assert shown.evaluate(_IN_THE_APP, [dataset, "undo"]) == 200


def test_a_name_that_was_made_to_point_here_reads_nothing(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    where = urlsplit(inbox)
    open_view(shown, inbox)
    picture = f"/media?filepath={run.root / COPIES[0]}"
    fetch = "(path) => fetch(path).then((answer) => [answer.status, answer.headers.get('content-type')])"
    assert shown.evaluate(fetch, picture) == [200, "image/png"]
    assert shown.evaluate(fetch, "/media?filepath=/etc/passwd")[0] == 404
    for path in ("/", picture, f"{where.path}?{where.query}"):
        answer = shown.goto(f"http://evil.example:{where.port}{path}")
        assert answer and answer.status == 403
        assert "This server is not called evil.example" in shown.inner_text("body")
    assert shown.evaluate(fetch, picture)[0] == 403
    assert shown.evaluate(fetch, "/media?filepath=/etc/passwd")[0] == 403


def test_a_browser_without_the_link_sees_what_to_do(served: tuple[Run, str], shown: Page) -> None:
    _, inbox = served
    where = urlsplit(inbox)
    answer = shown.goto(f"http://{where.netloc}{where.path}")
    assert answer and answer.status == 403
    assert "Open the link that imageclinic review has printed" in shown.inner_text("body")
    open_view(shown, inbox)
    assert "token" not in shown.url
    answer = shown.goto(f"http://{where.netloc}{where.path}?view=inbox")
    assert answer and answer.status == 200


def test_the_app_asks_nothing_of_the_web_and_nothing_in_vain(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    hosts, failed = set(), []

    def asked(request: Request) -> None:
        hosts.add(urlsplit(request.url).netloc if request.url.startswith("http") else request.url.split(":")[0])

    def ended(request: Request) -> None:
        # A request that the page itself gave up, as it does with its event stream when it is left.
        if request.failure != "net::ERR_ABORTED":
            failed.append((request.url, request.failure))

    def answered(response: Response) -> None:
        if response.status >= 400:
            failed.append((response.url, response.status))

    shown.context.on("request", asked)
    shown.context.on("requestfailed", ended)
    shown.context.on("response", answered)
    refused: list[str] = []
    shown.on("console", lambda line: refused.append(line.text) if "Content Security Policy" in line.text else None)
    open_view(shown, inbox, "mislabeled")
    assert not shown.get_by_text("Accelerate your workflow").count(), "FiftyOne's advert lies over the panel"
    open_image(shown, 1)
    opened = current(shown)
    shown.keyboard.press("n")
    log(run, before + 1)
    wait_for(lambda: current(shown) != opened, 120)
    close_image(shown)
    shown.locator('[data-cy="new-panel-btn"]').first.click()
    menu = shown.locator('[data-cy^="new-panel-option"]')
    wait_for(lambda: menu.count() > 0, 60)
    for name in menu.all_inner_texts():
        if not shown.locator('[data-cy^="new-panel-option"]').count():
            shown.locator('[data-cy="new-panel-btn"]').first.click()
        shown.locator(f'[data-cy="new-panel-option-{name}"]').click()
        shown.wait_for_timeout(2_000)
    assert hosts <= {urlsplit(inbox).netloc, "data", "blob"}
    assert failed == []
    assert refused == []
