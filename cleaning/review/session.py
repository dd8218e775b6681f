"""The FiftyOne App on a run: a database, the dataset, our plugin, the server, and all of it taken down again.

The plugin in ``cleaning/review/plugin`` writes decisions to the log while the App is open.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import signal
import socket
import tempfile
import time
import warnings
import webbrowser
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import filelock

from imageclinic.cleaning.review import background_work
from imageclinic.cleaning.review.database import mongod
from imageclinic.cleaning.review.dataset import build_dataset
from imageclinic.core import tables
from imageclinic.core.errors import Failed, InputError
from imageclinic.core.processes import child_process
from imageclinic.core.run import Run, open_run

#: What tells the plugin which run it decides about: FiftyOne's server is a subprocess and sees only these.
RUN_VARIABLE = "IMAGECLINIC_RUN"
REVIEWER_VARIABLE = "IMAGECLINIC_REVIEWER"
_START_SECONDS = 120


def open_review(
    run_path: Path,
    *,
    port: int = 5151,
    address: str = "127.0.0.1",
    open_browser: bool = False,
    reviewer: str | None = None,
    announce: Callable[[str], None],
    progress: Callable[[int, int], None] | None = None,
    words: Callable[[], Mapping[str, Any]],
    rerank: Sequence[str],
) -> None:
    """Show a run in the FiftyOne App until Ctrl-C or SIGTERM. Call it from the main thread.

    Args:
        run_path: a run folder that an audit has written.
        port: where the App is served; 0 for any free one.
        address: the interface that it is served on; anything but loopback is open to whoever reaches it.
        open_browser: whether to open the App in the user's browser.
        reviewer: whose decisions these are; the user's login name when None.
        announce: called with lines for the user.
        progress: called with (done, total) while pictures are converted.
        words: says how far the flags can be trusted by the log as it is, for the panel.
        rerank: the command that ranks the labels anew with the decisions so far.

    Raises:
        InputError: no run, a busy port, no database (see `cleaning.review.database.mongod.running`).
        Failed: the App's server or its database died while it was open.
    """
    run = open_run(run_path)
    run.read(tables.ISSUES)
    port = _free_port(address, port)
    name = reviewer or getpass.getuser()
    with contextlib.ExitStack() as stack:
        check_signals = stack.enter_context(signals_unwind())
        database = stack.enter_context(mongod.running(announce))
        if database.process is None:
            stack.enter_context(_only_one(run))
        announce("Loading FiftyOne …")
        plugins = stack.enter_context(tempfile.TemporaryDirectory(prefix="imageclinic-plugins-"))
        prepare(database.uri, Path(plugins), run, name)
        stack.callback(forget_database)
        with contextlib.suppress(KeyboardInterrupt), serving(run, address, port) as wait_until_ready:
            dataset = build_dataset.build_from(run, progress=progress)
            announce(f"{len(dataset)} images, of which {dataset.count('queue')} have findings")
            wait_until_ready()
            if warning := open_to_others(address):
                announce(warning)
            host = _reachable(address)
            host = f"[{host}]" if ":" in host else host
            url = f"http://{host}:{port}/datasets/{dataset.name}?view=inbox&workspace=review"
            announce(f"Review as {name}: {url}")
            announce(f"From another machine: ssh -L {port}:127.0.0.1:{port} {getpass.getuser()}@{socket.gethostname()}")
            announce(f"Decisions go to {run.decisions} as they are made. Ctrl-C ends the review.")
            if open_browser:
                webbrowser.open(url)
            beside = background_work.attend(run, words=words, rerank=rerank, announce=announce)
            stack.enter_context(contextlib.closing(beside))
            while True:
                next(beside)
                check_signals()
                time.sleep(1)
                database.check()
                wait_until_ready()
    announce(f"Closed. Decisions are in {run.decisions}")


def open_to_others(address: str) -> str:
    """The warning that an address other than loopback deserves; empty for loopback."""
    if address in ("localhost", "::1") or address.startswith("127."):
        return ""
    return (
        f"Warning: FiftyOne has no login. Whoever reaches {address} sees the images and decides. "
        "Safer: leave the address out, and use ssh -L as shown below."
    )


@contextlib.contextmanager
def serving(run: Run, address: str, port: int) -> Iterator[Callable[[], None]]:
    """FiftyOne's server, for as long as the context lasts; call `prepare` first.

    It runs without a FiftyOne session, which would load FiftyOne a third time and tie all browsers to one view.

    Yields:
        A function that returns when the server answers, and raises Failed when it is dead or does not answer.
    """
    log = run.review / "server.log"
    log.parent.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    command = child_process.python_module("fiftyone.server.main", "--address", address, "--port", str(port))
    with child_process.running(command, log) as process:

        def wait_until_ready() -> None:
            deadline = time.monotonic() + _START_SECONDS
            while process.poll() is None and time.monotonic() < deadline:
                if _answers(_reachable(address), port):
                    return
                time.sleep(0.2)
            state = "does not answer" if process.poll() is None else f"ended with status {process.returncode}"
            raise Failed(
                f"the App's server {state}: {child_process.last_line(log)} (see {log}). "
                "Every decision is in decisions.csv: open the review again"
            )

        yield wait_until_ready


def prepare(uri: str, plugins: Path, run: Run, reviewer: str) -> None:
    """Import FiftyOne on our database with our plugin beside the user's, and quiet."""
    os.environ["FIFTYONE_DATABASE_URI"] = uri
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"
    os.environ.setdefault("FIFTYONE_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("FIFTYONE_SHOW_PROGRESS_BARS", "false")
    os.environ[RUN_VARIABLE] = str(run.path)
    os.environ[REVIEWER_VARIABLE] = reviewer
    with warnings.catch_warnings():  # FiftyOne's own dependencies warn while they are loaded
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", SyntaxWarning)
        import fiftyone as fo
    # It says at every start that mongod 6.0 is the oldest version that it accepts.
    logging.getLogger("fiftyone.core.odm.database").setLevel(logging.ERROR)
    theirs = Path(fo.config.plugins_dir)
    ours = plugins / "@imageclinic"
    for folder in sorted(theirs.iterdir()) if theirs.is_dir() else []:
        if folder.name != ours.name:  # nothing of ours goes into theirs through a link
            (plugins / folder.name).symlink_to(folder)
    ours.mkdir()
    (ours / "review").symlink_to(Path(__file__).parent / "plugin")
    os.environ["FIFTYONE_PLUGINS_DIR"] = fo.config.plugins_dir = str(plugins)
    fo.config.database_uri = uri


def forget_database() -> None:
    """FiftyOne tidies up its database when Python ends. Ours is gone by then: waiting for it costs 3 s."""
    from fiftyone.core.odm import database

    database._disconnect()


def _free_port(address: str, port: int) -> int:
    """The port, or any free one for 0. Raises InputError when it can't be had."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        if port not in range(65536):
            raise OSError("ports go from 0 to 65535")
        with socket.create_server((address, port), family=family) as server:
            return int(server.getsockname()[1])
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
        raise InputError(
            f"port {port} on {address} can't be used: {reason}",
            expected="a free port, and an address of this machine",
            fix=f"close what uses it (another review?), or choose one with --port {port % 65535 + 1}",
        ) from error


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=10):
        return True
    return False


def _reachable(address: str) -> str:
    """Where this machine reaches what listens on `address`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 (compared, not bound)


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
def _only_one(run: Run) -> Iterator[None]:
    """In a database of the user's, a second review of one run would tear down the first one's dataset."""
    lock = filelock.FileLock(run.path / ".review.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise InputError(
            f"another review of {run.path} is open on the same database",
            fix="close it, or set FIFTYONE_DATABASE_NAME to another name for the second one",
        ) from None
    try:
        yield
    finally:
        lock.release()
