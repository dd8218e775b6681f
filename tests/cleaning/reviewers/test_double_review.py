"""Images that two must see: which are drawn, what each reviewer sees of them, and how far they are."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from imageclinic.cleaning.decisions import decision_log, person_decision
from imageclinic.cleaning.review.own_queue import with_two_reviewers
from imageclinic.cleaning.reviewers import double_review, own_decision, team_settings, team_setup
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.run import Run
from imageclinic.workflows.report import report
from imageclinic.workflows.status import status
from tests.helpers.review_run import COPIES, MISLABELED, make_run

ONE, OTHER = MISLABELED[0], MISLABELED[1]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path)


def two(run: Run, *names: str) -> None:
    team_settings.write(run, team_settings.TeamSettings(two_reviewers=names))


def seen(run: Run, name: str, reviewer: str) -> tuple[str | None, bool, str | None]:
    row = own_decision.state(run, [name], reviewer).astype(object).iloc[0]
    decision, note = (None if pd.isna(row[column]) else row[column] for column in ("decision", "note"))
    return decision, row["disputed"] is True, note


def decide(run: Run, name: str, decision: str, reviewer: str) -> None:
    own_decision.decide(run, [name], decision, reviewer=reviewer)


def test_of_a_thousand_flags_each_check_and_range_of_scores_has_its_share() -> None:
    n = 2_000
    names = [f"{i:04}.png" for i in range(n)]
    dataset = tables.frame(tables.DATASET, image_id=names, label="cat", bytes=[1] * n, mtime_ns=[0] * n)
    issues = tables.frame(
        tables.ISSUES,
        check=["mislabeled"] * 800 + ["blurry"] * 200 + ["exact_duplicate"] * 100,
        image_id=names[:1_100],
        score=[i / 800 for i in range(800)] + [0.5] * 200 + [1.0] * 100,
        cluster=[None] * 1_000 + ["c"] * 100,
        suggested_action="review",
        evidence="It is.",
    )
    clusters = tables.frame(tables.CLUSTERS, image_id=names[1_000:1_100], cluster="c", split_group="g")
    nothing = decision_log.current(tables.empty(tables.DECISION_LOG), dataset)
    drawn = double_review.draw(issues, dataset, clusters, nothing, 100, seed=1)
    place = [int(name[:4]) for name in drawn]
    assert len(set(drawn)) == 100
    assert sum(p >= 1_100 for p in place) == 25, "a quarter is not flagged"
    assert not any(1_000 <= p < 1_100 for p in place), "what is decided about one copy is decided about the others"
    assert [sum(at <= p < at + 200 for p in place) for at in range(0, 1_000, 200)] == [15] * 5
    assert place != sorted(place)
    more = double_review.draw(issues, dataset, clusters, nothing, 140, drawn=drawn, seed=1)
    assert more[:100] == drawn and len(set(more)) == 140
    assert double_review.draw(issues, dataset, clusters, nothing, 7, drawn=drawn, seed=1) == drawn[:7]
    few = double_review.draw(issues.iloc[:3], dataset, clusters, nothing, 50, seed=1)
    assert len(set(few)) == 50, "unflagged ones, where few are flagged"


def test_nobody_sees_the_others_decision_before_their_own(run: Run) -> None:
    two(run, ONE)
    decide(run, ONE, "drop", "ann")
    decide(run, OTHER, "drop", "ann")
    assert seen(run, ONE, "ann") == ("drop", False, None)
    assert seen(run, ONE, "bob") == (None, False, None)
    assert seen(run, OTHER, "bob")[0] == "drop", "others are as they were"
    log, dataset = decision_log.read(run.decisions), run.read(tables.DATASET)
    for_bob = own_decision.current(run, log, dataset, decision_log.current(log, dataset), "bob")
    assert for_bob["image_id"].tolist() == [OTHER]
    decide(run, ONE, "unsure", "bob")
    assert seen(run, ONE, "bob")[0] == "drop", "an own decision, too"
    assert seen(run, ONE, "eve") == (None, False, None), "who is unsure is no second one"
    decide(run, ONE, "drop", "bob")
    assert seen(run, ONE, "eve") == ("drop", False, None), "two have decided: it waits for nobody"
    person_decision.undo(run, "bob")
    assert seen(run, ONE, "eve")[0] is None


def test_where_two_differ_a_third_one_decides_unseen(run: Run) -> None:
    two(run, ONE)
    decide(run, ONE, "drop", "ann")
    decide(run, ONE, "keep", "bob")
    decision, disputed, note = seen(run, ONE, "bob")
    assert (decision, disputed) == (None, True) and note and "ann: drop" in note
    assert seen(run, ONE, "eve") == (None, True, None)
    found = status(run.path)
    assert found["disputed"] == [ONE] and found["two_reviewers"]["disputed"] == 1
    decide(run, ONE, "keep", "eve")
    assert seen(run, ONE, "eve")[:2] == ("keep", False)
    assert status(run.path)["disputed"] == []


def test_agreement_about_just_these(run: Run) -> None:
    two(run, *MISLABELED[:3])
    answers = [("keep", "keep"), ("drop", "drop"), ("keep", "drop"), ("keep", "drop")]
    for name, (anns, bobs) in zip(MISLABELED, answers, strict=False):
        decide(run, name, anns, "ann")
        decide(run, name, bobs, "bob")
    found = status(run.path)
    assert found["agreement"][0]["images"] == 4
    assert {**found["two_reviewers"], "agreement": None} == {
        "images": 3,
        "decided_by_two": 3,
        "waiting": 0,
        "disputed": 1,
        "agreement": None,
    }
    (pair,) = found["two_reviewers"]["agreement"]
    assert (pair["images"], pair["agreed"], pair["reviewers"]) == (3, 2, ["ann", "bob"])
    run.update_info({"outcomes": []})
    assert "2</td>\n<td" in report(run.path).read_text("utf-8").split("Images that two reviewers see")[1]


def test_they_come_in_front_a_few_at_a_time(run: Run) -> None:
    names = [f"{n:03}" for n in range(200)]
    rows = pd.DataFrame({"image_id": names, "queue": [float(n) for n in range(200)], "in_inbox": True, "cluster": None})
    rows.loc[10:11, "cluster"] = "c"
    rows.loc[0, "in_inbox"] = False
    late = names[150:160]
    order = with_two_reviewers(rows, [names[0], *late], "7")["image_id"].tolist()
    assert sorted(order) == names and order[-1] == names[0], "what is decided does not take a place"
    places = [order.index(name) for name in late]
    assert places == sorted(places) and places[-1] < 100 and places[0] < 20
    assert order.index(names[11]) == order.index(names[10]) + 1, "copies stay side by side"
    assert [name for name in order if name not in late][:-1] == [name for name in names[1:] if name not in late]


def test_a_later_number_keeps_what_was_drawn(run: Run) -> None:
    assert team_setup.two_reviewers(run, 4) == 4
    first = team_settings.read(run).two_reviewers
    assert not set(first) & set(COPIES)
    assert team_setup.two_reviewers(run, 6) == 6
    assert team_settings.read(run).two_reviewers[:4] == first
    assert team_setup.two_reviewers(run, 0) == 0 and status(run.path)["two_reviewers"] is None
    (run.team / "settings.json").write_text('{"format": 2}')
    with pytest.raises(InputError, match="format 2"):
        team_settings.read(run)
