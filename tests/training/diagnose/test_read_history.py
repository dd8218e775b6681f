"""Reading histories, whoever wrote them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imageclinic.core.errors import InputError
from imageclinic.training.diagnose.curves import read_history


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_a_csv_of_keras(tmp_path: Path) -> None:
    path = write(
        tmp_path / "h.csv", "epoch,acc,loss,lr,val_acc,val_loss\n0,0.5,1.5,0.1,0.4,1.6\n1,0.6,1.2,0.1,0.5,1.4\n"
    )
    frame = read_history.read(path)
    assert list(frame.columns) == ["loss", "val_loss", "accuracy", "val_accuracy", "learning_rate"]
    assert frame.loc[2].tolist() == [1.2, 1.4, 0.6, 0.5, 0.1]


def test_our_metrics_and_a_mapping_and_a_frame_read_alike(tmp_path: Path) -> None:
    logs = {"loss": [2.0, 1.0], "val_loss": [2.5, 1.5]}
    ours = {"model": "small_cnn", "history": {"epochs": 2, "best_epoch": 2, "stopped_early": False, **logs}}
    path = write(tmp_path / "metrics.json", json.dumps(ours))
    for source in (path, logs, {k: np.array(v) for k, v in logs.items()}, pd.DataFrame(logs)):
        pd.testing.assert_frame_equal(read_history.read(source), read_history.read(logs))


def test_an_epoch_that_lacks_a_value_is_left_out_but_a_break_down_stays(tmp_path: Path) -> None:
    path = write(tmp_path / "h.csv", "epoch,loss,val_loss\n0,2.0,2.1\n1,1.9,NA\n2,1.8,2.0\n3,nan,NA\n")
    frame = read_history.read(path)
    assert frame.index.tolist() == [1, 3, 4]
    assert frame.loc[4].isna().all()


def test_the_source_is_left_as_it_was() -> None:
    frame = pd.DataFrame({" loss": [2.0, 1.0], "acc": [0.1, 0.2]})
    before = frame.copy()
    read_history.read(frame)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch,accuracy\n0,0.5\n", "no column 'loss', only 'epoch', 'accuracy'"),
        ("epoch;loss\n0;0.5\n", "no column 'loss'"),
        ("epoch,loss\n0,1.0\n1,low\n", "loss is 'low' in row 2"),
        ("epoch,loss\n", "no complete epoch"),
        ("", "can't be read"),
        ("epoch,loss,accuracy\n0,1.0,83\n", "accuracy is 83.*Divide percentages"),
        ("epoch,loss\n0,1.0\n1,0.9\n0,1.1\n", "epoch 1 is followed by epoch 0"),
    ],
)
def test_bad_files_are_explained(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path / "h.csv", text)
    with pytest.raises(InputError, match=words):
        read_history.read(path)


@pytest.mark.parametrize("text", ["[1, 2]", "{not json", '{"history": 3}', '{"loss": [1, 2], "val_loss": [1]}'])
def test_bad_json_is_explained(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        read_history.read(write(tmp_path / "h.json", text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"h\.csv can't be read"):
        read_history.read(tmp_path / "h.csv")
