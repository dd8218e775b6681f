"""Keep the best copy, drop the rest: one key in the App."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from imageclinic.cleaning.decisions import decision_log, person_decision
from imageclinic.core import tables
from imageclinic.core.run import Run
from tests.helpers.review_run import COPIES, make_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path)


def change(run: Run, image_id: str, **values: object) -> None:
    dataset = run.read(tables.DATASET)
    for column, value in values.items():
        dataset.loc[dataset["image_id"] == image_id, column] = value
    run.write(tables.DATASET, dataset)


def clusters_of_three(run: Run) -> None:
    names = [*COPIES, "cat/02.png"]
    frame = tables.frame(tables.CLUSTERS, image_id=names, cluster=["c1"] * 3, split_group=["g1"] * 3)
    run.write(tables.CLUSTERS, frame)


def test_one_stays_and_the_rest_goes_in_one_batch(run: Run) -> None:
    clusters_of_three(run)
    change(run, COPIES[1], width=200)
    best = person_decision.keep_best(run, ["cat/02.png"], reviewer="ann")
    assert best.kept == (COPIES[1],) and not best.spared and not best.unresolved
    log = decision_log.read(run.decisions)
    assert dict(zip(log["image_id"], log["decision"], strict=True)) == {
        COPIES[1]: "keep",
        COPIES[0]: "drop",
        "cat/02.png": "drop",
    }
    assert log["batch"].nunique() == 1
    assert log.set_index("image_id").loc[COPIES[0], "confirmed"] == "exact_duplicate"
    assert set(person_decision.undo(run, "ann")["image_id"]) == {*COPIES, "cat/02.png"}
    assert decision_log.current(decision_log.read(run.decisions), run.read(tables.DATASET)).empty


def test_an_image_of_the_given_test_split_is_left_in_and_named(run: Run) -> None:
    clusters_of_three(run)
    for name in COPIES:
        change(run, name, split="test")
    best = person_decision.keep_best(run, [COPIES[0]], reviewer="ann")
    assert best.kept == (COPIES[0],) and best.spared == (COPIES[1],)
    log = decision_log.read(run.decisions)
    assert log.loc[log["decision"] == "drop", "image_id"].tolist() == ["cat/02.png"]
    assert COPIES[1] not in set(log["image_id"])


def test_that_the_best_stays_says_nothing_about_its_label(run: Run) -> None:
    issues = run.read(tables.ISSUES)
    doubted = issues[issues["check"] == "mislabeled"].head(1).assign(image_id=COPIES[0])
    run.write(tables.ISSUES, pd.concat([issues, doubted], ignore_index=True))
    change(run, COPIES[0], width=200)
    best = person_decision.keep_best(run, [COPIES[0]], reviewer="ann")
    assert best.kept == (COPIES[0],)
    assert decision_log.read(run.decisions)["image_id"].tolist() == [COPIES[1]]


def test_copies_under_different_labels_wait_for_a_decision(run: Run) -> None:
    change(run, COPIES[1], label="dog")
    best = person_decision.keep_best(run, [COPIES[0]], reviewer="ann")
    assert best.unresolved == 1 and best.state.empty
    assert decision_log.read(run.decisions).empty
    person_decision.append(run, [COPIES[1]], "relabel", reviewer="ann", labels=["cat"])
    assert person_decision.keep_best(run, [COPIES[0]], reviewer="ann").kept == (COPIES[1],)


def test_an_image_without_copies(run: Run) -> None:
    best = person_decision.keep_best(run, ["cat/00.png"], reviewer="ann")
    assert best.state.empty and not best.kept and not best.unresolved
    assert not run.decisions.exists()
