"""A large run is decided about as a small one is, and its whole tables are not read for a key."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from imageclinic.cleaning.decisions import decision_log, known_images, person_decision
from imageclinic.cleaning.review.dataset import kept_rows
from imageclinic.cleaning.trust import random_sample
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.run import Run
from tests.helpers.review_run import COPIES, MISLABELED, make_run

#: What differs between two writings of one decision.
OWN = ["decision_id", "batch", "decided_at"]


@pytest.fixture(autouse=True)
def few_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_sample, "draw", functools.partial(random_sample.draw, flagged=2, unflagged=1))


def run_in(folder: Path) -> Run:
    run = make_run(folder)
    pairs = tables.frame(
        tables.NEIGHBORS,
        image_id=[COPIES[0]],
        other_id=[COPIES[1]],
        kind=["near"],
        distance=[1],
        transform=["identity"],
        similarity=[0.9],
    )
    run.write(tables.NEIGHBORS, pairs)
    return run


def reviewed(run: Run, sample: list[str]) -> tuple[pd.DataFrame, list[Any]]:
    """A review with all that the App can say: the log that it leaves, and what the App is told."""
    told: list[Any] = []
    person_decision.append(run, sample, "keep", reviewer="ann", blind=True)
    person_decision.append(run, [MISLABELED[0]], "relabel", reviewer="ann", labels=["cat"])
    told.append(person_decision.state(run, [MISLABELED[0], COPIES[0]]))
    told.append(person_decision.not_copies(run, [COPIES[1]], reviewer="ann").state)
    told.append(person_decision.undo(run, "ann"))
    best = person_decision.keep_best(run, [COPIES[0]], reviewer="ann")
    told += [best.state, best.kept, best.spared, best.unresolved]
    person_decision.append(run, [MISLABELED[1]], "drop", reviewer="bob")
    told.append(person_decision.state(run, [MISLABELED[1], COPIES[1]], "bob"))
    return decision_log.read(run.decisions).drop(columns=OWN), told


def test_a_large_run_is_decided_about_as_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = run_in(tmp_path / "small"), run_in(tmp_path / "large")
    drawn = random_sample.draw(small.read(tables.ISSUES), small.read_dataset())
    log, told = reviewed(small, drawn["image_id"].tolist())
    first = log.head(len(drawn)).set_index("image_id").loc[drawn["image_id"]]
    assert first["inclusion_prob"].tolist() == drawn["inclusion_prob"].tolist()
    monkeypatch.setattr(kept_rows, "MOST_IMAGES", 4)
    kept_rows.of_run(large, [MISLABELED[0], MISLABELED[1], COPIES[0]])  # as an opening keeps what it shows
    whole: list[str] = []
    read = Run.read

    def watched(run: Run, table: tables.Table, columns: Any = None) -> pd.DataFrame:
        whole.append(table.name)
        return read(run, table, columns)

    monkeypatch.setattr(Run, "read", watched)
    log_of_large, told_of_large = reviewed(large, drawn["image_id"].tolist())
    assert not whole, "each of them is gigabytes"
    assert not known_images.rows_of(large).whole
    pd.testing.assert_frame_equal(log_of_large, log)
    for one, other in zip(told_of_large, told, strict=True):
        if isinstance(one, pd.DataFrame):
            one, other = (part.drop(columns="decided_at", errors="ignore") for part in (one, other))
            pd.testing.assert_frame_equal(one, other)
        else:
            assert one == other


def test_an_image_that_is_not_shown_can_be_decided_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_rows, "MOST_IMAGES", 4)
    run = run_in(tmp_path)
    shown = set(known_images.rows_of(run).dataset["image_id"])
    other, later, *_ = (name for name in run.read_dataset()["image_id"] if name not in shown)
    person_decision.append(run, [other], "drop", reviewer="ann")
    person_decision.append(run, [later], "keep", reviewer="ann")
    assert {other, later} <= set(known_images.rows_of(run).dataset["image_id"])
    assert person_decision.state(run, [later, other])["decision"].tolist() == ["keep", "drop"]
    given = run.read_dataset().set_index("image_id")
    log = decision_log.read(run.decisions).set_index("image_id")
    assert log.loc[other, "sha256"] == given.loc[other, "sha256"]
    with pytest.raises(InputError, match="is no image of"):
        person_decision.append(run, ["cat/none.png"], "drop", reviewer="ann")


def test_what_a_policy_decided_about_other_images_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_rows, "MOST_IMAGES", 4)
    run = run_in(tmp_path)
    shown = set(known_images.rows_of(run).dataset["image_id"])
    dataset = run.read_dataset()
    others = dataset[~dataset["image_id"].isin(shown) & dataset["sha256"].notna()]
    events = others[["image_id", "sha256"]].assign(decision="drop", reviewer="policy:p", given_label=others["label"])
    decision_log.append(run.decisions, events)
    told = person_decision.state(run, [MISLABELED[0], *others["image_id"]])
    assert told["decision"].isna().tolist() == [True, *[False] * len(others)]
    assert set(known_images.rows_of(run).dataset["image_id"]) == shown, "nothing was chosen again"


def test_all_suggestions_of_a_check_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_in(tmp_path)
    monkeypatch.setattr(kept_rows, "MOST_IMAGES", 4)
    flags = known_images.suggestions(run, "mislabeled")
    issues = run.read(tables.ISSUES)
    mislabeled = issues[issues["check"].eq("mislabeled")].sort_values("score", ascending=False)
    assert flags["image_id"].tolist() == mislabeled["image_id"].tolist()
    assert flags["suggested_label"].tolist() == mislabeled["suggested_label"].tolist()
