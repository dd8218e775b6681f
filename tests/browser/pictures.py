"""Makes the pictures of docs/review.md: ``uv run python tests/browser/pictures.py RUN docs/review``.

RUN is an audit of the sample data; what is decided here is taken back. Pictures are reduced to 128 colours.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from driver import app, open_image, open_view, page, said, select
from PIL import Image
from playwright.sync_api import Page


def main(run: Path, folder: Path) -> None:
    """Save grid, modal, cluster and calibrate as PNG files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with app(run) as inbox, tempfile.TemporaryDirectory() as profile, page(Path(profile), 1440, 900) as shown:
        open_view(shown, inbox)
        select(shown, 0)
        shown.keyboard.press("r")
        said(shown, "Relabelled 1 image.")
        save(shown, folder / "grid.png")
        shown.keyboard.press("u")
        said(shown, "Took back 1 image.")
        open_view(shown, inbox, "mislabeled")
        open_image(shown, 1)
        save(shown, folder / "modal.png")
        open_view(shown, inbox, "near-duplicate")
        select(shown, 0)
        shown.keyboard.press("b")
        said(shown, "Best copy stays")
        save(shown, folder / "cluster.png")
        shown.keyboard.press("u")
        said(shown, "Took back")
        open_view(shown, inbox, "calibrate")
        select(shown, 1)
        save(shown, folder / "calibrate.png")


def save(shown: Page, path: Path) -> None:
    """A picture of the page, small enough for a repository."""
    shown.wait_for_timeout(3_000)
    shown.screenshot(path=path)
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
