"""Drives the FiftyOne App in headless Chromium: for the tests, and to make the pictures of the docs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd
import psutil
from playwright.sync_api import Locator, Page, sync_playwright
from playwright.sync_api import TimeoutError as TooLate

from imageclinic.cleaning.decisions import decision_log
from imageclinic.core.run import Run

_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
TILE = '[data-cy="looker"]'
DESK = "#imageclinic-desk"
BAR = "#imageclinic-bar"
PANEL = ".imageclinic-panel"
MESSAGE = ".ic-message"
#: A key counts when its image has been in sight for 200 ms (`SEEN_MS` of the desk).
SEEN = "() => window.__imageclinic__ && __imageclinic__.shown"
T = TypeVar("T")


def chromium() -> str:
    """The browser: ``CHROMIUM`` or what is on the PATH. Without one these tests fail."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "no Chromium: install it, or set CHROMIUM to its path"
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def app(
    run: Path, reviewer: str = "ann", *, seconds: float = 600, end: signal.Signals = signal.SIGINT, status: int = 0
) -> Iterator[str]:
    """Serve `run` in a process of its own; yield the URL of the Inbox; end it, and check that nothing is left running.

    Args:
        run: the run folder.
        reviewer: who decides.
        seconds: how long the start may take.
        end: the signal that ends it; SIGINT as Ctrl-C does.
        status: what it is to end with.
    """
    code = (
        "import sys; from imageclinic.workflows.review import review; "
        "review(sys.argv[1], port=int(sys.argv[2]), reviewer=sys.argv[3], say=lambda line: print(line, flush=True))"
    )
    command = [sys.executable, "-c", code, str(run), str(free_port()), reviewer]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines: list[str] = []
    assert process.stdout
    reader = threading.Thread(target=lambda out: lines.extend(iter(out.readline, "")), args=(process.stdout,))
    reader.start()
    try:
        url = wait_for(lambda: next((x.split()[-1] for x in lines if "Review as" in x), ""), seconds, process, lines)
        yield url
    finally:
        started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(end)
        try:
            process.wait(180)
        finally:
            process.kill()
            reader.join(10)
            process.stdout.close()
    left = psutil.wait_procs(started, timeout=20)[1]
    assert not left, f"still running: {left}"
    assert process.returncode == status, "".join(lines)


def wait_for(
    value: Callable[[], T], seconds: float, process: subprocess.Popen[str] | None = None, message: object = ""
) -> T:
    """Wait until `value` is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (result := value()):
        assert time.monotonic() < deadline, f"nothing after {seconds} s: {message}"
        assert process is None or process.poll() is None, f"ended: {message}"
        time.sleep(0.05)
    return result


@contextlib.contextmanager
def page(profile: Path, width: int = 1600, height: int = 1000, *, flags: Sequence[str] = ()) -> Iterator[Page]:
    """A page of headless Chromium. A script that a label or a file name smuggled in would be an error here."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium(),
            headless=True,
            args=[*_FLAGS, *flags],
            viewport={"width": width, "height": height},
        )
        opened = browser.pages[0]
        opened.set_default_timeout(180_000)
        try:
            yield opened
        finally:
            browser.close()


def select(shown: Page, position: int) -> None:
    """Select the image at a position of the grid."""
    tile = shown.locator(TILE).nth(position)
    tile.hover()
    tile.locator('[data-cy^="looker-checkbox"]').first.click(force=True)


def select_until(shown: Page, position: int, words: str) -> None:
    """Select an image until our panel says `words`: the App, which shows another view, may load it once more then."""
    ticked = shown.locator(TILE).nth(position).locator("input").first

    def says() -> bool:
        if not ticked.is_checked():
            select(shown, position)
        with contextlib.suppress(TooLate):
            panel(shown).get_by_text(words).wait_for(timeout=5_000)
            return True
        return False

    wait_for(says, 180, message=f"the panel does not say {words}")


def current(shown: Page) -> str:
    """The id of the open sample, once it is in sight and keys count."""
    shown.wait_for_function(SEEN)
    shown.wait_for_timeout(250)
    return str(shown.evaluate("__imageclinic__.shown"))


def press(shown: Page, keys: str) -> None:
    """Press keys on the desk, each when its image has been in sight."""
    for key in keys:
        current(shown)
        shown.keyboard.press(key)


def log(run: Run, rows: int) -> pd.DataFrame:
    """The decision log once it has `rows` rows."""
    wait_for(lambda: len(decision_log.read(run.decisions)) >= rows, 120)
    return decision_log.read(run.decisions)


def expect_message(shown: Page, words: str) -> None:
    """Wait until the bar or the desk says so."""
    shown.locator(f"{BAR}, {MESSAGE}").filter(has_text=words).first.wait_for()


def panel(shown: Page) -> Locator:
    """Our panel beside the grid."""
    return shown.locator(PANEL).first


def open_view(shown: Page, inbox: str, view: str = "inbox") -> None:
    """Open a saved view's grid, and wait until tiles are drawn and keys are live."""
    shown.goto(inbox.replace("view=inbox", f"view={view}"))
    shown.wait_for_selector(TILE)
    shown.wait_for_function("window.__imageclinic__ && window.__imageclinic__.active")
    shown.wait_for_timeout(1500)  # tiles fade in


def close_image(shown: Page) -> None:
    """Back to the grid."""
    shown.keyboard.press("Escape")
    shown.wait_for_selector(DESK, state="detached")


def open_image(shown: Page, position: int = 0) -> str:
    """Open the image at a position of the grid; return its id once it is in sight."""
    shown.locator(TILE).nth(position).click()
    shown.wait_for_selector(DESK)
    return current(shown)


def screenshot(run: Path, target: Path, *, view: str = "inbox", image: int | None = None, profile: Path) -> Path:
    """Save a picture of a run's view (or of its `image`-th image, opened) to `target`."""
    with app(run) as inbox, page(profile) as shown:
        open_view(shown, inbox, view)
        if image is not None:
            open_image(shown, image)
        shown.screenshot(path=target)
    return target
