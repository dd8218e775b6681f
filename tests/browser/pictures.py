"""Makes the pictures of docs/review.md: ``uv run python tests/browser/pictures.py RUN docs/review``.

RUN is an audit of the sample data; what is decided here is taken back. Pictures are reduced to 256 colours.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from tests.browser.driver import app, open_image, open_view, page, select


def main(run: Path, folder: Path) -> None:
    """Save grid, desk, sheet, cluster and calibrate as PNG files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with app(run) as inbox, tempfile.TemporaryDirectory() as profile, page(Path(profile), 1440, 900) as shown:
        open_view(shown, inbox, "mislabeled")
        select(shown, 0)
        decide(shown, "r", 3)
        save(shown, folder / "grid.png")
        decide(shown, "u", 3)
        open_view(shown, inbox, "mislabeled")
        open_image(shown, 1)
        shown.wait_for_timeout(2_000)
        save(shown, folder / "desk.png")
        shown.keyboard.press("Escape")
        shown.keyboard.press("t")
        shown.wait_for_selector(".ic-matrix")
        shown.keyboard.press("Enter")
        shown.set_viewport_size({"width": 1440, "height": 560})
        tiles = shown.locator(".ic-tile")
        tiles.first.wait_for()
        for n in range(4, min(9, tiles.count())):
            tiles.nth(n).click()
        save(shown, folder / "sheet.png")
        shown.set_viewport_size({"width": 1440, "height": 900})
        open_view(shown, inbox, "exact-duplicate")
        select(shown, 0)
        decide(shown, "b")
        save(shown, folder / "cluster.png")
        decide(shown, "u")
        open_view(shown, inbox, "calibrate")
        select(shown, 1)
        save(shown, folder / "calibrate.png")


def decide(shown: Page, key: str, times: int = 1) -> None:
    """Press a key in the grid, each time after the decision before is made."""
    for _ in range(times):
        done = shown.evaluate("window.__imageclinic__.log.length")
        shown.keyboard.press(key)
        shown.wait_for_function("n => window.__imageclinic__.log[n]", arg=done)


def save(shown: Page, path: Path) -> None:
    """A picture of the page, small enough for a repository."""
    shown.wait_for_timeout(3_000)
    shown.screenshot(path=path)
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE)
    reduced.save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
