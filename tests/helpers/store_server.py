"""Fixtures: moto's server, which answers as S3 does, over loopback."""

from __future__ import annotations

import logging

import boto3
import pytest

moto_server = pytest.importorskip("moto.server")
SECRET = "hunter2-very-secret"


class Requests(logging.Handler):
    """What the server's own log says was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def taken(self) -> tuple[int, list[str]]:
        """How often was listed, and which objects were read, since the last call."""
        asked = [line.split('"')[1].split()[1] for line in self.lines if '"GET ' in line]
        self.lines.clear()
        return sum("list-type" in each for each in asked), sorted(e for e in asked if "list-type" not in e)


@pytest.fixture(scope="module")
def endpoint():
    server = moto_server.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def requests(endpoint):
    log, handler = logging.getLogger("werkzeug"), Requests()
    before = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)
    log.setLevel(before)


@pytest.fixture
def bucket(endpoint, monkeypatch, request):
    for name, value in (
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "someone"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    made = boto3.resource("s3").create_bucket(Bucket=request.node.originalname.replace("_", "-")[:60])
    yield made
    client.close()
    made.meta.client.close()
