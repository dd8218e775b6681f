from __future__ import annotations

import json
from pathlib import Path

import pytest

from imageclinic.core import run, tables
from imageclinic.core.errors import InputError


def test_a_run_folder_has_a_marker_and_a_format(tmp_path) -> None:
    made = run.create(tmp_path / "new" / "run")
    assert json.loads((made.path / run.MARKER).read_text()) == {"format": run.FORMAT}
    assert run.create(made.path) == run.open_run(made.path) == made


def test_foreign_folders_are_refused_and_left_alone(tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"is not empty and no imageclinic run.*nothing was written"):
        run.create(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(InputError, match="is a file"):
        run.create(tmp_path / "thesis.txt")
    with pytest.raises(InputError, match="is no imageclinic run"):
        run.open_run(tmp_path)


def test_other_formats_are_refused(tmp_path) -> None:
    made = run.create(tmp_path / "run")
    tables.write_json(made.path / run.MARKER, {"format": 99})
    with pytest.raises(InputError, match=r"is a run of format 99\. Expected format 1"):
        run.open_run(made.path)
    (made.path / run.MARKER).write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        run.open_run(made.path)


def test_one_audit_at_a_time(tmp_path) -> None:
    one, two = run.create(tmp_path / "run"), run.open_run(tmp_path / "run")
    with one.lock(), pytest.raises(InputError, match="another audit is writing"), two.lock():
        raise AssertionError("both hold it")
    with two.lock():
        assert (tmp_path / "run").is_dir()


def test_tables_know_what_they_were_made_from(tmp_path) -> None:
    made = run.create(tmp_path / "run")
    splits = tables.frame(tables.SPLIT_TABLE, image_id=["a"], split=["test"])
    made.write(tables.SPLIT_TABLE, splits, "key")
    path: Path = made.table_path(tables.SPLIT_TABLE)
    assert run.is_current(path, "key")
    assert not run.is_current(path, "other")
    assert not run.is_current(tmp_path / "none.parquet", "key")
    with pytest.raises(InputError, match=r"issues.parquet is missing. Run imageclinic audit first"):
        made.read(tables.ISSUES)
