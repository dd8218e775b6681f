from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
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


@pytest.mark.parametrize(
    ("file", "instead"),
    [("model.keras", "imageclinic report"), ("export.json", "export"), ("comparison.json", "audit")],
)
def test_what_another_command_wrote_is_recognised(tmp_path, file: str, instead: str) -> None:
    (tmp_path / file).touch()
    with pytest.raises(InputError, match="is no imageclinic run") as caught:
        run.open_run(tmp_path)
    assert instead in str(caught.value) and "audit first" not in str(caught.value)


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
    assert tables.is_current(path, "key")
    assert not tables.is_current(path, "other")
    assert not tables.is_current(tmp_path / "none.parquet", "key")
    with pytest.raises(InputError, match=r"issues.parquet is missing. Run imageclinic audit first"):
        made.read(tables.ISSUES)


def test_a_verdict_and_noise_that_is_not_established_are_read(tmp_path: Path) -> None:
    opened = run.create(tmp_path / "run")
    line = {"cause": "c", "severity": 0.5, "sentence": "s", "consequence": "k", "command": "x RUN", "checks": ["dark"]}
    noise = {"established": False, "low": 0.0, "high": None, "ceiling": None, "ceiling_low": None, "share": 0.1}
    opened.update_info({"verdict": [line], "label_noise": noise, "notes": ["n"]})
    assert opened.verdict[0]["command"].endswith(str(tmp_path / "run"))
    assert opened.info()["label_noise"]["ceiling"] is None


def test_yes_and_no_are_read_as_they_were_written(tmp_path: Path) -> None:
    yes_or_no = [c.name for c in tables.FEATURES.columns if pa.types.is_boolean(c.type)]
    assert yes_or_no
    numbers = [c for c in tables.FEATURES.columns if not c.later and not c.nullable and not pa.types.is_string(c.type)]
    frame = pd.DataFrame({c.name: [0 if pa.types.is_integer(c.type) else 0.5] for c in numbers}).assign(image_id="a")
    empty = {c.name: None for c in tables.FEATURES.columns if c.name not in frame and c.name not in yes_or_no}
    frame = frame.assign(**empty, **dict.fromkeys(yes_or_no, True))
    opened = run.create(tmp_path / "run")
    opened.write(tables.FEATURES, frame)
    assert opened.read(tables.FEATURES)[yes_or_no].iloc[0].tolist() == [True] * len(yes_or_no)


@pytest.mark.parametrize("name", ["decisions.csv", "decisions.csv.pending", "run.json", "review/words.json"])
def test_a_pipe_in_a_files_place_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    made = run.create(tmp_path / "run")
    pipe = made.path / name
    pipe.parent.mkdir(exist_ok=True)
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="is no regular file"):
        run.open_run(made.path)
