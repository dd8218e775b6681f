"""Exports of earlier versions, and of other tools, are read as far as they can be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imageclinic.cleaning.export.images_as_files import as_files
from imageclinic.core.errors import InputError


@pytest.mark.parametrize("facts", [None, {}, {"format": "folders"}])
def test_files_are_where_they_are(facts: dict[str, str] | None, tmp_path: Path) -> None:
    if facts is not None:
        (tmp_path / "export.json").write_text(json.dumps({"classes": ["a"], "images": {"train": 1}, **facts}))
    with as_files(tmp_path) as folder:
        assert folder == tmp_path


def test_a_format_that_is_not_known_is_refused(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text(json.dumps({"classes": ["a"], "images": {}, "format": "tape"}))
    with pytest.raises(InputError, match="'tape'"), as_files(tmp_path):
        pass
