"""Images with a known answer: where the answers come from, how they are mixed in, and that they decide nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.review import session
from imageclinic.cleaning.review.dataset import kept_rows, own_rows, sample_rows
from imageclinic.cleaning.review.own_queue import with_gold
from imageclinic.cleaning.reviewers import (
    gold_images,
    gold_log,
    gold_results,
    own_decision,
    own_notice,
    team_settings,
    team_setup,
)
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.run import Run
from imageclinic.workflows.report import report
from imageclinic.workflows.status import status
from tests.helpers.review_run import COPIES, MISLABELED, make_run

ONE, OTHER, THIRD = MISLABELED[:3]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path)


def decide(run: Run, name: str, decision: str, reviewer: str, label: str | None = None) -> pd.DataFrame:
    return own_decision.decide(run, [name], decision, reviewer=reviewer, labels=[label] if label else None)


def opened(run: Run, reviewer: str) -> pd.DataFrame:
    """Rows of the App's dataset, as a reviewer gets them."""
    dataset, log = run.read(tables.DATASET), decision_log.read(run.decisions)
    current = own_decision.current(run, log, dataset, decision_log.current(log, dataset), reviewer)
    rows, _ = sample_rows.collect(run, kept_rows.of_run(run), current, None, None, sample_rows.tested_of(run))
    return own_rows.arranged(run, rows, team_settings.read(run), reviewer).set_index("image_id")


def queue(n: int) -> pd.DataFrame:
    names = [f"{i:04}" for i in range(n)]
    empty = dict.fromkeys(("decision", "decided_label", "reviewer", "decided_at", "disputed", "who_decided_what"))
    rows = {"image_id": names, "queue": np.arange(n, dtype=float), "in_inbox": True, "calibrate": np.nan}
    return pd.DataFrame({**rows, "cluster": None, **empty})


def test_the_rate_holds_and_places_are_by_chance() -> None:
    rows = queue(2_000)
    gold = rows["image_id"].iloc[::5].tolist()
    rows.loc[rows["image_id"].isin(gold), ["in_inbox", "decision", "reviewer"]] = [False, "drop", "ann"]
    mixed, placed = with_gold(rows, gold, 0.05, "bob", "bob")
    waiting = mixed[mixed["in_inbox"].astype(bool)].sort_values("queue")
    inside = waiting["image_id"].isin(placed).to_numpy()
    assert placed == gold[: len(placed)] and inside.sum() == len(placed)
    assert 0.035 < inside.mean() < 0.065
    gaps = np.diff(np.flatnonzero(inside))
    assert gaps.std() > 10, "nobody can count where the next one comes"
    assert waiting.loc[inside, ["decision", "reviewer"]].isna().all().all()
    assert mixed["queue"].nunique() == len(mixed)
    others = waiting.loc[~inside, "image_id"].tolist()
    assert others == sorted(others), "the others keep their order"
    assert with_gold(rows, gold, 0.05, "bob", "bob")[1] == placed != with_gold(rows, gold, 0.05, "eve", "eve")[1]
    assert with_gold(rows, gold[:3], 0.05, "bob", "bob")[1] == gold[:3]


def test_unflagged_ones_are_in_the_random_sample_only() -> None:
    rows = queue(400)
    rows.loc[200:, ["queue", "in_inbox"]] = [np.nan, False]
    rows.loc[100:299, "calibrate"] = np.arange(200, dtype=float)
    gold = rows["image_id"].iloc[350:].tolist()
    mixed, placed = with_gold(rows, gold, 0.1, "bob", "bob")
    got = mixed[mixed["image_id"].isin(placed)]
    assert 10 < len(placed) < 40 and got["calibrate"].notna().all()
    assert got["queue"].isna().all() and not got["in_inbox"].any()


def test_a_second_reviewer_gets_as_many_in_the_random_sample_as_the_first() -> None:
    rows = queue(600)
    rows[["queue", "in_inbox"]] = [np.nan, False]
    rows["calibrate"] = np.arange(600, dtype=float).tolist()
    gold = rows["image_id"].iloc[500:].tolist()
    alone = with_gold(rows, gold, 0.1, "x", "bob")[1]
    rows.loc[:499, ["decision", "reviewer"]] = ["keep", "ann"]
    assert with_gold(rows, gold, 0.1, "x", "bob")[1] == alone and 30 < len(alone) < 80
    rows.loc[250:499, "reviewer"] = "ann;bob"
    mixed, placed = with_gold(rows, gold, 0.1, "x", "bob")
    assert 10 < len(placed) < 45, "among the 250 that bob has still to judge"
    place = mixed.set_index("image_id")["calibrate"]
    assert place[placed].max() < place[rows["image_id"].iloc[250:500]].min()
    rows.loc[:499, "reviewer"] = "bobby;bob"
    assert with_gold(rows, gold, 0.1, "x", "bob")[1] == []
    assert with_gold(rows, gold, 0.1, "x", "bo")[1] == alone


def test_an_answer_is_no_decision_and_a_real_one_stays(run: Run) -> None:
    decide(run, ONE, "relabel", "ann", "cat")
    decide(run, ONE, "relabel", "bob", "cat")
    before = run.decisions.read_bytes()
    team_setup.gold(run, None, 0.5)
    right = gold_images.answers({}, decision_log.read(run.decisions), run.read(tables.DATASET))
    assert right == {ONE: "relabel to cat"}
    row = opened(run, "ann").loc[ONE]
    assert row["in_inbox"] and row[["decision", "reviewer"]].isna().all(), "it looks undecided"
    now = decide(run, ONE, "keep", "ann").iloc[0]
    assert (now["decision"], now["reviewer"], now["disputed"]) == ("keep", "ann", False)
    assert run.decisions.read_bytes() == before
    assert status(run.path)["decisions"] == {"relabel": 1}
    ann = status(run.path)["gold"][0]
    assert (ann["reviewer"], ann["images"], ann["right"], ann["accuracy"]) == ("ann", 1, 0, 0)
    decide(run, OTHER, "drop", "ann")
    assert own_decision.undo(run, "ann")["image_id"].tolist() == [OTHER]
    assert own_decision.undo(run, "ann")["image_id"].tolist() == [ONE], "the answer, and not the decision before it"
    assert own_decision.state(run, [ONE], "ann")["decision"].isna().all()
    assert decision_log.current(decision_log.read(run.decisions), run.read(tables.DATASET))["label"].tolist() == ["cat"]
    decide(run, ONE, "relabel", "ann", "cat")
    assert status(run.path)["gold"][0]["right"] == 1
    assert opened(run, "ann").loc[ONE, "reviewer"] == "ann;bob", "afterwards what was decided shows again"


def test_one_key_about_both_kinds_is_one_step_back(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "gold.csv"
    file.write_text(f'image_id,label\n"{ONE}",cat\n')
    team_setup.gold(run, file, 0.5)
    gold_log.place(run, "ann", [ONE])
    own_decision.decide(run, [ONE, OTHER], "drop", reviewer="ann")
    assert len(gold_log.read(run)) == len(decision_log.read(run.decisions)) == 1
    assert set(own_decision.undo(run, "ann")["image_id"]) == {ONE, OTHER}
    assert own_decision.undo(run, "ann").empty


def test_a_reviewer_has_one_queue_at_a_time(run: Run) -> None:
    assert not list(session._locks(run, "ann", True)), "without such images nothing is in the way"
    team_setup.gold(run, None, 0.1)
    (anns,), (bobs,) = (list(session._locks(run, name, True)) for name in ("ann", "bob"))
    with session.only_one(*anns), session.only_one(*bobs), pytest.raises(InputError), session.only_one(*anns):
        pass
    with session.only_one(*anns):
        pass


def test_what_still_needs_a_decision_is_not_taken(run: Run) -> None:
    dataset = run.read(tables.DATASET)
    decide(run, THIRD, "keep", "bob")
    log = decision_log.read(run.decisions)
    found = gold_images.candidates(
        {ONE, OTHER, THIRD, COPIES[0], "cat/00.png", "cat/01.png"},
        "ann",
        log,
        decision_log.current(log, dataset),
        judged=["cat/01.png"],
        copies=COPIES,
        sample=[ONE, THIRD],
        two_reviewers=[OTHER],
    )
    assert found == [THIRD, "cat/00.png"] or found == ["cat/00.png", THIRD]
    own = gold_images.candidates(
        {THIRD, "cat/00.png"},
        "bob",
        log,
        decision_log.current(log, dataset),
        judged=(),
        copies=(),
        sample=(),
        two_reviewers=(),
    )
    assert own == ["cat/00.png", THIRD], "what one has decided about comes last"


def test_answers_of_a_file(run: Run, tmp_path: Path) -> None:
    file, dataset = tmp_path / "gold.csv", run.read(tables.DATASET)
    file.write_text(f'image_id,label\n"{ONE}",cat\ncat/00.png,cat\ncat/01.png,\n')
    gold = gold_images.read_file(file, dataset)
    right = gold_images.answers(gold, tables.empty(tables.DECISION_LOG), dataset)
    assert right == {ONE: "relabel to cat", "cat/00.png": "keep", "cat/01.png": "drop"}
    file.write_text("image_id,decision,label\ncat/00.png,keep,\ncat/01.png,drop,\ncat/02.png,relabel,dog\n")
    assert gold_images.read_file(file, dataset) == {"cat/00.png": "cat", "cat/01.png": None, "cat/02.png": "dog"}
    for text in ("image_id\ncat/00.png\n", "image_id,label\nno.png,cat\n", "image_id,label\ncat/00.png,caat\n"):
        file.write_text(text)
        with pytest.raises(InputError):
            gold_images.read_file(file, dataset)
    with pytest.raises(InputError):
        gold_images.read_file(tmp_path / "none.csv", dataset)


def test_a_fall_is_noticed_and_chance_is_not(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    steady = rng.random((100, 100)) < 0.9
    noticed = [any(gold_results.fall(right[:n]) for n in range(40, 101)) for right in steady]
    assert sum(noticed) <= 8
    found = gold_results.fall(np.array([True] * 30 + [True, False] * 10))
    assert found == {"recent": 20, "recent_right": 10, "before": 30, "before_right": 30}
    assert gold_results.fall(np.array([True] * 19 + [False] * 20)) is None, "too few before"

    monkeypatch.setattr(gold_results, "RECENT", 4)
    monkeypatch.setattr(gold_results, "ALPHA", 0.1)
    names = run.read(tables.DATASET)["image_id"].tolist()[:8]
    team_settings.write(run, team_settings.TeamSettings(gold=dict.fromkeys(names)))
    for n, name in enumerate(names):
        gold_log.judge(run, [name], "drop" if n < 4 else "keep", reviewer="ann")
    gold_log.judge(run, ["cat/pale.png"], "unsure", reviewer="bob")
    found = status(run.path)
    (ann,) = (one for one in found["gold"] if one["reviewer"] == "ann")
    assert found["gold_undecided"] == 8, "by the file they are to be dropped, and no answer does that"
    assert ann["fall"] == {"recent": 4, "recent_right": 0, "before": 4, "before_right": 4}
    assert "0 of 4" in gold_results.line(ann) and "4 of 8" in gold_results.line(ann)
    assert "right about 0" in own_notice.of(run, "ann") and not own_notice.of(run, "bob")
    run.update_info({"outcomes": []})
    assert "50 % (" in report(run.path).read_text("utf-8")
    assert {one["reviewer"] for one in found["gold"]} == {"ann", "bob"}
