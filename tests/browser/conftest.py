"""What the browser tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from imageclinic.core.run import Run
from tests.browser.driver import page


@pytest.fixture
def shown(served: tuple[Run, str], tmp_path: Path) -> Iterator[Page]:
    """A page on which nothing that a label or a file name says was run."""
    with page(tmp_path / "profile") as opened:
        yield opened
        opened.screenshot(path=tmp_path / "end.png")
        assert "hacked" not in opened.title()
