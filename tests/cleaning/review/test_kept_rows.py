"""What is kept of a large run for its next opening: it is equal to what is read, and never old."""

from __future__ import annotations

import functools
from pathlib import Path

import pandas as pd
import pytest

from imageclinic.cleaning.decisions import decision_log, person_decision
from imageclinic.cleaning.review.dataset import kept_rows, run_contents
from imageclinic.cleaning.trust import random_sample
from imageclinic.core import tables
from imageclinic.core.run import Run
from imageclinic.workflows.decide import decide
from tests.helpers.review_run import COPIES, MISLABELED, make_run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run of more images than are shown."""
    monkeypatch.setattr(kept_rows, "MOST_IMAGES", 4)
    monkeypatch.setattr(random_sample, "draw", functools.partial(random_sample.draw, flagged=2, unflagged=1))
    return make_run(tmp_path)


def items(run: Run) -> pd.DataFrame:
    return run_contents.of_run(run).items


def fresh(run: Run) -> pd.DataFrame:
    """As `items`, of a run that nothing is kept of."""
    for file in run.review.glob("rows-*.parquet"):
        file.unlink()
    return items(run)


def gathered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever the rows are chosen."""
    calls: list[int] = []
    made = kept_rows._gathered

    def counted(*given: object) -> kept_rows.Rows:
        calls.append(1)
        return made(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(kept_rows, "_gathered", counted)
    return calls


def test_a_second_opening_reads_what_is_kept_and_shows_the_same(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = gathered(monkeypatch)
    first = items(run)
    assert 4 <= len(first) < len(run.read_dataset()) and len(calls) == 1
    pd.testing.assert_frame_equal(items(run), first)
    assert len(calls) == 1


def test_rows_of_a_large_run_are_those_of_a_small_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    person_decision.append(run, [COPIES[1]], "drop", reviewer="ann")
    large = items(run).set_index("image_id").drop(columns="queue")
    monkeypatch.setattr(kept_rows, "MOST_IMAGES", 1_000)
    small = items(run).set_index("image_id").loc[large.index, large.columns]
    pd.testing.assert_frame_equal(large, small, check_dtype=False)


def test_decisions_are_never_old(run: Run) -> None:
    shown = items(run)["image_id"]
    (other, *_) = (name for name in run.read_dataset()["image_id"] if name not in set(shown))
    decided = [MISLABELED[0], other]
    for name in decided:
        person_decision.append(run, [name], "drop", reviewer="ann")
        now = items(run).set_index("image_id")
        assert now.loc[name, "decision"] == "drop"
        pd.testing.assert_frame_equal(now, fresh(run).set_index("image_id"))
    person_decision.undo(run, "ann")
    assert other not in set(items(run)["image_id"]), "undone, so it is shown no longer, though it is kept"
    assert items(run).set_index("image_id").loc[MISLABELED[0], "decision"] == "drop"


def test_another_audit_chooses_again(run: Run) -> None:
    items(run)
    issues = run.read(tables.ISSUES)
    gone = issues["image_id"].eq(MISLABELED[0])
    run.write(tables.ISSUES, issues[~gone])
    now = items(run)
    pd.testing.assert_frame_equal(now, fresh(run))
    assert MISLABELED[0] not in set(now.loc[now["queue"].notna(), "image_id"])


@pytest.mark.parametrize("name", ["rows-dataset.parquet", "rows-issues.parquet", "rows-about.parquet"])
def test_what_is_damaged_or_missing_is_made_again(run: Run, name: str) -> None:
    first = items(run)
    (run.review / name).write_bytes(b"PAR1 no table")
    pd.testing.assert_frame_equal(items(run), first)
    (run.review / name).unlink()
    pd.testing.assert_frame_equal(items(run), first)
    assert (run.review / name).is_file()


def test_what_is_decided_without_the_app_is_kept_for_its_first_opening(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = run.read_dataset()
    decided = decide(run.path, accept=["mislabeled:0", "exact_duplicate:0", "bright:0"])
    assert len(decided)
    log, nothing = (
        decision_log.read(run.decisions),
        kept_rows.Rows(
            dataset.head(0), run.read(tables.ISSUES).head(0), tables.empty(kept_rows.ABOUT), len(dataset), []
        ),
    )
    every = decision_log.current(log, dataset)
    assert set(every["image_id"]) == set(decided["image_id"])

    def unwanted(*_: object) -> None:
        raise AssertionError("the images are looked up again")

    monkeypatch.setattr(tables, "read_rows", unwanted)
    monkeypatch.setattr(Run, "read", unwanted)
    known = kept_rows.judged(run, nothing, log)
    pd.testing.assert_frame_equal(decision_log.current(log, known), every)
    assert known["image_id"].tolist() == dataset.loc[dataset["image_id"].isin(log["image_id"]), "image_id"].tolist()


def test_a_decision_that_follows_its_image_is_looked_for_among_all(run: Run) -> None:
    items(run)
    dataset = run.read_dataset()
    gone = dataset[dataset["sha256"].notna() & ~dataset["sha256"].duplicated(keep=False)].iloc[[0]]
    event = gone[["image_id", "sha256"]].assign(
        decision="drop", reviewer="policy:accept", given_label=gone["label"], image_id="elsewhere.jpg"
    )
    decision_log.append(run.decisions, event)
    log = decision_log.read(run.decisions)
    kept_rows.keep_decided(run)
    assert not (run.review / "rows-judged.parquet").exists()
    found = decision_log.current(log, kept_rows.judged(run, kept_rows.of_run(run), log))
    assert found["image_id"].tolist() == gone["image_id"].tolist()


def test_what_a_policy_decided_is_found_again(run: Run) -> None:
    shown = set(items(run)["image_id"])
    dataset = run.read_dataset()
    others = dataset[~dataset["image_id"].isin(shown) & dataset["sha256"].notna()]
    events = others[["image_id", "sha256"]].assign(
        decision="drop", reviewer="policy:accept", given_label=others["label"]
    )
    decision_log.append(run.decisions, events)
    log, rows = decision_log.read(run.decisions), kept_rows.of_run(run)
    every = decision_log.current(log, dataset)
    for _ in range(2):
        pd.testing.assert_frame_equal(decision_log.current(log, kept_rows.judged(run, rows, log)), every)
    assert (run.review / "rows-judged.parquet").is_file()
