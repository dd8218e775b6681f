"""The FiftyOne App on a run: a database, the dataset, our plugin, the server, and all of it taken down again.

The plugin in ``cleaning/review/plugin`` writes decisions to the log while the App is open.
"""

from __future__ import annotations

import contextlib
import getpass
import html
import ipaddress
import json
import os
import signal
import socket
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import filelock

from imageclinic.cleaning.decisions import log_file
from imageclinic.cleaning.review import background_work, map_work
from imageclinic.cleaning.review.database import mongod
from imageclinic.cleaning.review.dataset import load_samples, run_contents
from imageclinic.cleaning.review.door import serving
from imageclinic.cleaning.reviewers import team_settings
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.processes import child_process
from imageclinic.core.processes.temporary_folders import temporary_folder
from imageclinic.core.reading.hashing import text_digest
from imageclinic.core.run import Run, open_run

#: Names to the plugin the run that it decides about: FiftyOne's server is a subprocess and sees only these.
RUN_VARIABLE = "IMAGECLINIC_RUN"
REVIEWER_VARIABLE = "IMAGECLINIC_REVIEWER"
#: JSON, the command that finds images by words, see `plugin.find_by_words`.
WORDS_VARIABLE = "IMAGECLINIC_WORD_SEARCH"


def open_review(
    run_path: Path,
    *,
    port: int = 5151,
    address: str = "127.0.0.1",
    certificate: Path | None = None,
    key: Path | None = None,
    open_browser: bool = False,
    reviewer: str | None = None,
    announce: Callable[[str], None],
    progress: Callable[[int, int], None] | None = None,
    words: Callable[[], Mapping[str, Any]],
    rerank: Sequence[str],
    map_embeddings: Sequence[str] = (),
    report: Sequence[str] = (),
    word_search: Sequence[str] = (),
) -> None:
    """Show a run in the FiftyOne App until Ctrl-C or SIGTERM. Call it from the main thread.

    Args:
        run_path: a run folder that an audit has written.
        port: where the App is served; 0 for any free one.
        address: the interface that it is served on; everywhere only who has the secret link is let in.
        certificate: PEM file, to serve on https.
        key: PEM file, the certificate's private key.
        open_browser: whether to open the App in the user's browser.
        reviewer: whose decisions these are; the user's login name when None.
        announce: called with lines for the user.
        progress: called with (done, total) while pictures are converted.
        words: says how far the flags can be trusted by the log as it is, for the panel.
        rerank: the command that ranks the labels again with the decisions so far.
        map_embeddings: the command that makes the run's map of its embeddings; none is made without.
        report: the command that writes the run's report, by the path of the App's page and the file to write; none is
            served without.
        word_search: the command that answers, line by line, which images words describe.

    Raises:
        InputError: no run, a busy port, a bad certificate, no database (see `cleaning.review.database.mongod.running`).
        Failed: the App's server or its database died while it was open.
    """
    if not child_process.POSIX:
        raise InputError(
            "the App can't be served on this system",
            expected="Linux or macOS: its sockets are handed to a process of its own",
            fix="review in the container or in WSL, or decide without the App: imageclinic decide",
        )
    run = open_run(run_path)
    run.read(tables.ISSUES, ["score"])  # that it is there
    log_file.refuse_link(run.decisions)
    encryption = serving.certificate_of(certificate, key)
    name = reviewer or getpass.getuser()
    with contextlib.ExitStack() as stack:
        listeners = stack.enter_context(serving.listening(address, port))
        check_signals = stack.enter_context(signals_unwind())
        database = stack.enter_context(mongod.running(announce, wait=False))
        for lock in _locks(run, name, database.process is not None):
            stack.enter_context(only_one(*lock))
        announce("Loading FiftyOne …")
        plugins = stack.enter_context(temporary_folder("imageclinic-plugins-"))
        os.environ[WORDS_VARIABLE] = json.dumps(list(word_search))
        prepare(database.uri, plugins, run, name)
        stack.callback(forget_database)
        with (
            contextlib.suppress(KeyboardInterrupt),
            serving.serving(run, address, listeners, encryption, report_of(run, report)) as server,
        ):
            # The database starts while the server does, and the server loads FiftyOne while we read the run.
            database.wait_until_ready()
            server.start()
            contents = run_contents.of_run(run, reviewer=name, progress=progress)
            announce(f"{len(contents.items)} images, of which {contents.flagged} have findings")
            if (every := contents.plan["facts"]["images"]) > len(contents.items):
                announce(f"the App shows the worst of each check and class, not all of {every:,} images")
            load(contents, server, database.uri)
            attending = background_work.attend(run, words=words, rerank=rerank, announce=announce)
            tasks = [stack.enter_context(contextlib.closing(attending))]
            if run.embeddings.is_file():
                command = background_work.nice(map_embeddings) if map_embeddings else []
                mapping = stack.enter_context(
                    contextlib.closing(map_work.make_and_show(run, server, command, announce))
                )
                next(mapping, None)  # a map that is there is in the App before the browser is
                tasks.append(mapping)
            server.wait_until_ready()
            page = f"/datasets/{contents.plan['name']}"
            link = server.link(page, server.secret_name, view="inbox", workspace="review")
            host, port = listeners[0].getsockname()[:2]
            loopback = ipaddress.ip_address(host).is_loopback
            if warning := who_may(address, loopback, encryption is not None, name):
                announce(warning)
                others = socket.gethostname() if ipaddress.ip_address(host).is_unspecified else address
                announce(f"For others: {server.link(page, others, view='inbox', workspace='review')}")
            announce(f"Review as {name}: {link}")
            announce("The link is the key to this review: who has it is let in. The next start makes a new one.")
            if server.secret_name:
                by_number = server.link(page, view="inbox", workspace="review")
                announce(f"For a browser that does not find {server.secret_name}, though less private: {by_number}")
            announce(f"From another machine: ssh -L {port}:127.0.0.1:{port} {getpass.getuser()}@{socket.gethostname()}")
            announce(f"Decisions go to {run.decisions} as they are made. Ctrl-C ends the review.")
            if open_browser:
                webbrowser.open(stack.enter_context(link_file(run, link)).as_uri())
            while True:
                for task in tasks:
                    next(task, None)
                check_signals()
                time.sleep(1)
                database.check()
                server.wait_until_ready()
    announce(f"Closed. Decisions are in {run.decisions}")


def report_of(run: Run, command: Sequence[str]) -> list[str]:
    """The command that writes the report with links to the App's page, but for the file to write; [] for none."""
    return [*command, f"/datasets/{run_contents.dataset_name(run)}"] if command else []


def who_may(address: str, loopback: bool, encrypted: bool, name: str) -> str:
    """What it means to serve on an address that others reach; empty for loopback."""
    if loopback:
        return ""
    if encrypted:
        return f"Whoever has the link and reaches {address} sees the images and decides as {name}."
    return (
        f"Warning: what goes to and from {address} is not encrypted. Whoever can listen in that network sees the "
        f"images and the link, and can decide as {name}. Give --certificate and --key, or leave the address out and "
        "use ssh -L."
    )


@contextlib.contextmanager
def link_file(run: Run, link: str) -> Iterator[Path]:
    """A page that leads to the link and that only the user can read: everybody sees the arguments of a browser."""
    path = run.review / "open.html"
    path.unlink(missing_ok=True)
    page = f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={html.escape(link)}">'
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w", encoding="utf-8") as file:
        file.write(page)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def prepare(uri: str, plugins: Path, run: Run, reviewer: str) -> None:
    """Name to FiftyOne, when it is imported here or in a child, our database and our plugin and no other, and quiet."""
    os.environ["FIFTYONE_DATABASE_URI"] = uri
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"
    os.environ.setdefault("FIFTYONE_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("FIFTYONE_SHOW_PROGRESS_BARS", "false")
    os.environ["FIFTYONE_PLUGINS_DIR"] = str(plugins)
    os.environ[RUN_VARIABLE] = str(run.path)
    os.environ[REVIEWER_VARIABLE] = reviewer
    ours = plugins / "@imageclinic"
    ours.mkdir()
    (ours / "review").symlink_to(Path(__file__).parent / "plugin")


def load(contents: run_contents.Contents, server: serving.Server, uri: str) -> None:
    """Let the server make the dataset, and load the images into it."""
    from pymongo import MongoClient  # FiftyOne's own client

    server.make_dataset(contents.plan)
    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    with client:
        place = load_samples.Place.from_text(server.place(), client)
        load_samples.load(contents.items, contents.plan["checks"], place)


def forget_database() -> None:
    """FiftyOne tidies up its database when Python ends. Ours is gone by then: waiting for it costs 3 s."""
    if "fiftyone" in sys.modules:
        from fiftyone.core.odm import database

        database._disconnect()


@contextlib.contextmanager
def signals_unwind() -> Iterator[Callable[[], None]]:
    """Make SIGTERM end us as Ctrl-C does, so that server and database are taken down.

    Yields:
        A function that raises KeyboardInterrupt when one of the two came. Python prints and forgets an exception that a
        signal raises in a destructor or a callback of the garbage collector.
    """
    came = False

    def unwind(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    heard = [s for s in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(s) != signal.SIG_IGN]
    before = {number: signal.signal(number, unwind) for number in heard}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def only_one(lock_file: Path, problem: str, fix: str) -> Iterator[None]:
    """Hold a lock for as long as the review is open. Raises InputError of these words when another one holds it."""
    lock_file.parent.mkdir(mode=0o700, exist_ok=True)
    lock = filelock.FileLock(lock_file)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise InputError(problem, fix=fix) from None
    try:
        yield
    finally:
        lock.release()


def _locks(run: Run, reviewer: str, own_database: bool) -> Iterator[tuple[Path, str, str]]:
    """Arguments of `only_one`: what may be open once at a time."""
    if not own_database:  # a second review of one run would tear down the first one's dataset
        fix = "close it, or set FIFTYONE_DATABASE_NAME to another name for the second one"
        yield run.path / ".review.lock", f"another review of {run.path} is open on the same database", fix
    if team_settings.read(run).gold_rate:  # a second queue has other images with a known answer
        file = run.team / f".{text_digest(reviewer, 8)}.lock"
        yield file, f"{reviewer} has a review of {run.path} open already", "close it, or give another --reviewer"
