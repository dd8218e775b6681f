"""Pages that are written from the code are as the code says, and the README's commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imageclinic.cli import docs_pages

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", docs_pages.PAGES)
def test_written_pages_are_fresh(page: str) -> None:
    assert (ROOT / "docs" / page).read_text("utf-8") == docs_pages.PAGES[page](), (
        "run: python -m imageclinic.cli.docs_pages"
    )


def test_the_readme_speaks_of_real_commands_and_files() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    listed = set(re.findall(r"## imageclinic (\w+)", docs_pages.commands()))
    used = set(re.findall(r"^(?:uv run )?imageclinic (\w+)", text, re.MULTILINE))
    assert used
    assert used <= listed
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), target


def test_the_readme_opens_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert "pip install uv && uv run imageclinic demo" in text
    assert "pip install uv && uv run pytest" in text
    assert "pip install uv && uv run pytest" in (ROOT / ".ci" / "run").read_text("utf-8")
