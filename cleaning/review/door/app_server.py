"""The App's server, run as a process of its own: FiftyOne's, with the guard before it, on sockets that it is given.

``python -P -m imageclinic.cleaning.review.door.app_server CHANNEL SOCKET …``: numbers of inherited file descriptors.
Over the first, lines of JSON go both ways. The settings come, so that neither an argument nor the environment holds the
secret, and the plan of the dataset. We make it, send back where its images go (``place``), and ``ready`` when requests
are answered. After that, each ``{"show": "map"}`` is answered by ``map``: empty, or what went wrong. The others listen.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imageclinic.cleaning.review.dataset import build_dataset, load_samples, map_panel
from imageclinic.cleaning.review.door.guard import Guard
from imageclinic.cleaning.review.door.hosts import Hosts
from imageclinic.cleaning.review.door.invitation import Invitation
from imageclinic.cleaning.review.door.media import Media
from imageclinic.cleaning.review.door.report_page import ReportPage
from imageclinic.core.reading import saved_map
from imageclinic.core.run import Run, open_run

if TYPE_CHECKING:
    import fiftyone as fo


def main(channel: int, *listening: int) -> None:
    """Serve until we are ended."""
    with socket.socket(fileno=channel) as parent:
        lines = parent.makefile("rb")
        settings: dict[str, Any] = json.loads(lines.readline())
        run = open_run(Path(settings["run"]))
        app = _fiftyone(settings["port"])
        content = json.loads(lines.readline())  # from here on the images that are shown have been chosen
        guard = Guard(
            app,
            hosts=Hosts(tuple(settings["names"]), settings["loopback"], settings["scheme"]),
            invitation=Invitation(settings["secret"], encrypted=settings["scheme"] == "https"),
            media=Media(run),
            report=ReportPage(run, settings["report"]),
        )
        dataset = build_dataset.make(content)
        _send(parent, place=load_samples.place_of(dataset).to_text())
        threading.Thread(target=_show_maps, args=(lines, parent, run, dataset), daemon=True).start()
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
    with warnings.catch_warnings():  # FiftyOne's own dependencies warn while they are loaded
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", SyntaxWarning)
        from fiftyone.server.app import app
        from fiftyone.server.events import set_port

    set_port(port)
    app.debug = False
    return app


def _show_maps(lines: IO[bytes], parent: socket.socket, run: Run, dataset: fo.Dataset) -> None:
    """Whenever we are asked to: show the run's map, beside the requests."""
    for line in lines:
        try:
            positions = saved_map.read(run.embedding_map, run.embeddings)
            if positions is not None:
                map_panel.show(dataset, positions)
            error = "" if positions is not None else f"{run.embedding_map} is not of these embeddings"
        except Exception as fault:  # the review goes on without a map; our parent reports it
            error = repr(fault)
        _send(parent, **{json.loads(line)["show"]: error})


def _send(parent: socket.socket, **message: str) -> None:
    parent.sendall(json.dumps(message).encode() + b"\n")


def _telling(app: ASGIApp, parent: socket.socket) -> ASGIApp:
    """The app, which signals our parent when it is ready."""

    async def telling(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                _send(parent, ready="")

        await app(scope, receive, sending if scope["type"] == "lifespan" else send)

    return telling


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
