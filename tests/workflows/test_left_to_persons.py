"""What a policy leaves to a person, and why."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import imageclinic
from imageclinic.core import tables
from imageclinic.workflows.decide import decide, left_to_persons

NOISE = {"low": 0.0, "high": 0.4, "share": 0.1, "by_split": {}, "by_class": {}}


@pytest.mark.parametrize(("established", "unsure"), [(False, 2), (True, 0)])
def test_labels_below_the_score_where_predictions_cannot_tell(
    folder: Path, tmp_path: Path, established: bool, unsure: int
) -> None:
    run = imageclinic.audit(folder, tmp_path / "run", checks=["corrupted"]).run
    found = tables.frame(
        tables.ISSUES,
        check="mislabeled",
        image_id=["cat/1.png", "cat/2.png", "dog/3.png"],
        label=[None] * 3,
        score=[0.97, 0.6, 0.3],
        cluster=[None] * 3,
        suggested_action="relabel",
        suggested_label=["dog", "dog", "cat"],
        evidence="",
    )
    run.write(tables.ISSUES, found)
    run.update_info({"label_noise": {**NOISE, "established": established}})
    accept = ["mislabeled:0.95"]
    events = decide(run.path, accept=accept, dry_run=True)
    pd.testing.assert_series_equal(events["image_id"], pd.Series(["cat/1.png"], name="image_id", dtype="str"))
    assert left_to_persons(run.path, events, accept=accept)["unsure"] == unsure
