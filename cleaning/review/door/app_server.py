"""The App's server, run as a process of its own: FiftyOne's, with the guard before it, on sockets that it is given.

``python -P -m imageclinic.cleaning.review.door.app_server CHANNEL SOCKET …``: numbers of inherited file descriptors.
Over the first come the settings, as JSON, so that neither an argument nor the environment holds the secret; ``ready``
is sent back when requests are answered. The others listen.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imageclinic.cleaning.review.door.guard import Guard
from imageclinic.cleaning.review.door.hosts import Hosts
from imageclinic.cleaning.review.door.invitation import Invitation
from imageclinic.cleaning.review.door.media import Media
from imageclinic.cleaning.review.door.report_page import ReportPage
from imageclinic.core.run import open_run

READY = b"ready"


def main(channel: int, *listening: int) -> None:
    """Serve until we are ended."""
    with socket.socket(fileno=channel) as parent:
        settings: dict[str, Any] = json.loads(parent.makefile("rb").readline())
        run = open_run(Path(settings["run"]))
        guard = Guard(
            _fiftyone(settings["port"]),
            hosts=Hosts(tuple(settings["names"]), settings["loopback"], settings["scheme"]),
            invitation=Invitation(settings["secret"], encrypted=settings["scheme"] == "https"),
            media=Media(run),
            report=ReportPage(run, settings["report"]),
        )
        config = Config()
        config.bind = [f"fd://{number}" for number in listening]
        config.certfile, config.keyfile = settings["certificate"], settings["key"]
        config.include_server_header = False
        config.loglevel = "WARNING"
        asyncio.run(serve(_telling(guard, parent), config))  # type: ignore[arg-type] # Hypercorn has types of its own


def _fiftyone(port: int) -> ASGIApp:
    """FiftyOne's ASGI app, as `fiftyone.server.main` prepares it."""
    os.environ.pop("FIFTYONE_DISABLE_SERVICES", None)
    os.environ["FIFTYONE_SERVER"] = "1"
    from fiftyone.server.app import app
    from fiftyone.server.events import set_port

    set_port(port)
    app.debug = False
    return app


def _telling(app: ASGIApp, parent: socket.socket) -> ASGIApp:
    """The app, which signals our parent when it is ready."""

    async def telling(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                parent.sendall(READY)

        await app(scope, receive, sending if scope["type"] == "lifespan" else send)

    return telling


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
