"""A run in FiftyOne: what is loaded, how it is shown, and that decisions survive a reopening. Real mongod."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imageclinic.cleaning.decisions import decision_log, person_decision
from imageclinic.cleaning.review.dataset import build_dataset, kept_rows, load_samples, run_contents
from imageclinic.cleaning.trust import random_sample
from imageclinic.core import tables
from imageclinic.core.run import Run
from tests.helpers.review_run import COPIES, FORMULA, HOSTILE, MISLABELED, make_run

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path, fiftyone: Any) -> Run:
    return make_run(tmp_path)


def by_id(dataset: Any, field: str) -> dict[str, Any]:
    return dict(zip(*dataset.values(["image_id", field]), strict=True))


def test_every_image_is_there_with_labels_scores_and_evidence(run: Run) -> None:
    dataset = build_dataset.build_from(run)
    table = run.read(tables.DATASET)
    assert sorted(dataset.values("image_id")) == sorted(table["image_id"])
    assert by_id(dataset, "ground_truth.label") == dict(zip(table["image_id"], table["label"], strict=True))
    assert by_id(dataset, "suggested.label")[MISLABELED[1]] == HOSTILE
    assert by_id(dataset, "mislabeled")[MISLABELED[0]] == 0.99
    assert by_id(dataset, "evidence")[MISLABELED[0]].splitlines()[1] == "bright: 5th percentile 0.96."
    assert by_id(dataset, "split")["cat/00.png"] == "test"
    assert by_id(dataset, "cluster")[COPIES[0]] == "c1"
    assert sorted(by_id(dataset, "survivor")[name] for name in COPIES) == ["group 1: copy", "group 1: would stay"]
    assert set(dataset.default_classes) == {"cat", "dog"}
    assert dataset.get_field("mislabeled").description
    assert all(dataset.get_field(name).read_only for name in ("image_id", "evidence", "mislabeled"))
    assert not dataset.get_field("decision").read_only
    assert by_id(dataset, "proposal")[MISLABELED[1]] == f"→ {HOSTILE}" and by_id(dataset, "proposal")[COPIES[0]] is None


def test_views(run: Run) -> None:
    dataset = build_dataset.build_from(run)
    assert dataset.list_saved_views() == [
        "Inbox",
        "Calibrate",
        "Mislabeled",
        "Exact duplicate",
        "Corrupted",
        "Bright",
        "Undecided",
        "Disputed",
        "Decided",
    ]
    inbox = dataset.load_saved_view("Inbox").values("image_id")
    assert inbox == [*MISLABELED, "dog/deep.tif", *COPIES, "dog/torn.jpg", "cat/pale.png"]
    assert dataset.load_saved_view("Mislabeled").values("mislabeled") == sorted(
        dataset.load_saved_view("Mislabeled").values("mislabeled"), reverse=True
    )
    assert dataset.load_saved_view("Exact duplicate").values("image_id") == list(COPIES)
    assert dataset.load_saved_view("Bright").values("image_id") == ["cat/pale.png", MISLABELED[0]]
    assert len(dataset.load_saved_view("Decided")) == 0


def test_the_random_sample_hides_what_checks_found(run: Run) -> None:
    dataset = build_dataset.build_from(run)
    view = dataset.load_saved_view("Calibrate")
    names = by_id(dataset, "id")
    drawn = random_sample.draw(run.read(tables.ISSUES), run.read(tables.DATASET))["image_id"]
    assert view.values("id") == [names[image_id] for image_id in drawn]
    shown = view.get_field_schema()
    assert "ground_truth" in shown and "decision" in shown
    hidden = {"suggested", "evidence", "checks", "mislabeled", "bright", "survivor", "doubt", "image_id"}
    assert not hidden & set(shown)
    assert not any(dataset.values("tags")), "tags can't be hidden"


def test_a_decision_in_the_random_sample_is_logged_with_its_chance(run: Run) -> None:
    person_decision.append(run, [MISLABELED[0]], "keep", reviewer="ann", blind=True)
    person_decision.append(run, [MISLABELED[1]], "keep", reviewer="ann")
    log = decision_log.read(run.decisions)
    assert log["sample"].tolist() == ["random", "ranked"]
    assert log["stratum"].tolist()[0] == "flagged" and log["inclusion_prob"].tolist()[0] == 1
    assert log[["stratum", "inclusion_prob"]].iloc[1].isna().all()


def test_what_a_browser_cant_draw_is_converted(run: Run) -> None:
    before = {path: path.read_bytes() for path in run.root.rglob("*.*")}
    dataset = build_dataset.build_from(run)
    shown = by_id(dataset, "display_path")
    assert shown["cat/00.png"] == str(run.root / "cat/00.png")
    for name in ("dog/deep.tif", "dog/print.jpg", tables.to_image_id("dog/raw\\x.dat")):
        assert Path(shown[name]).parent == run.review
        with Image.open(shown[name]) as picture:
            assert (picture.format, picture.size) == ("PNG", (96, 72))
            assert picture.mode in ("L", "RGB")
    assert Path(shown["dog/torn.jpg"]).name == "undecodable.png"
    assert dataset.media_type == "image"
    assert {path: path.read_bytes() for path in run.root.rglob("*.*")} == before


def test_a_reopening_keeps_every_decision(run: Run) -> None:
    first = build_dataset.build_from(run)
    person_decision.append(run, [MISLABELED[0], COPIES[1]], "drop", reviewer="ann")
    person_decision.append(run, [MISLABELED[1], MISLABELED[2]], "relabel", reviewer="ann", labels=["cat", FORMULA])
    person_decision.append(run, ["dog/torn.jpg"], "unsure", reviewer="ann")
    person_decision.append(run, ["cat/pale.png"], "keep", reviewer="ann")
    person_decision.undo(run, "ann")
    dataset = build_dataset.build_from(run)
    assert dataset.name == first.name
    decided = {name: decision for name, decision in by_id(dataset, "decision").items() if decision}
    assert decided == {
        MISLABELED[0]: "drop",
        COPIES[1]: "drop",
        MISLABELED[1]: "relabel",
        MISLABELED[2]: "relabel",
        "dog/torn.jpg": "unsure",
    }
    assert by_id(dataset, "decided_label")[MISLABELED[2]] == FORMULA
    assert by_id(dataset, "reviewer")[MISLABELED[2]] == "ann"
    assert by_id(dataset, "decided_at")[MISLABELED[2]].year > 2000
    assert by_id(dataset, "survivor")[COPIES[0]] == "group 1: would stay"
    inbox = dataset.load_saved_view("Inbox").values("image_id")
    assert inbox == [*MISLABELED[3:], "dog/deep.tif", "cat/pale.png"], "its copy is dropped: the other one just stays"
    assert [name for name, settled in by_id(dataset, "settled").items() if settled] == [COPIES[0]]
    assert len(dataset.load_saved_view("Decided")) == 5


def test_reviewers_who_disagree_leave_it_in_the_inbox(run: Run) -> None:
    person_decision.append(run, [MISLABELED[0]], "drop", reviewer="ann")
    person_decision.append(run, [MISLABELED[0]], "keep", reviewer="bob")
    state = person_decision.state(run, [MISLABELED[0]])
    assert state["disputed"].tolist() == [True]
    dataset = build_dataset.build_from(run)
    assert by_id(dataset, "disputed")[MISLABELED[0]] is True
    assert dataset.load_saved_view("Inbox").values("image_id")[0] == MISLABELED[0]
    assert build_dataset.build_from(run).load_saved_view("Disputed").values("image_id") == [MISLABELED[0]]


def view_lengths(dataset: Any) -> dict[str, int]:
    return {name: len(dataset.load_saved_view(name)) for name in dataset.list_saved_views()}


def test_documents_of_ours_and_samples_of_fiftyones_are_the_same(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    person_decision.append(run, [MISLABELED[0]], "keep", reviewer="ann")
    fields = ["image_id", "filepath", "checks", "queue", "mislabeled", "decision", "decided_at", "survivor"]
    fields += ["ground_truth.label", "suggested.label", "suggested.confidence", "bytes", "width", "in_inbox"]
    one_by_one: list[str] = []
    sample, document = load_samples._sample, load_samples._document

    def counted(values: dict[str, Any]) -> Any:
        one_by_one.append(values["filepath"])
        return sample(values)

    monkeypatch.setattr(load_samples, "_sample", counted)
    monkeypatch.setattr(load_samples, "_BATCH", 7)
    dataset = build_dataset.build_from(run)
    fast, views = dataset.values(fields), view_lengths(dataset)
    assert len(one_by_one) == 1, "only the one that teaches the format"
    assert sorted(fast[0]) == sorted(run.read(tables.DATASET)["image_id"])
    monkeypatch.setattr(load_samples, "_document", lambda values, learned: {**document(values, learned), "unknown": 1})
    dataset = build_dataset.build_from(run)
    assert dataset.values(fields) == fast and view_lengths(dataset) == views
    assert len(one_by_one) == 2 + len(fast[0])


def test_where_the_images_go_reaches_another_process(run: Run) -> None:
    dataset = build_dataset.make(run_contents.of_run(run).plan)
    place = load_samples.place_of(dataset)
    assert place.collection is not None and len(dataset) == 0
    there = load_samples.Place.from_text(place.to_text(), place.collection.database.client)
    assert there.collection == place.collection and there.dataset == dataset.name
    assert load_samples._shape(there.learned) == load_samples._shape(place.learned)


def test_above_the_limit_only_the_flagged_and_the_decided(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    person_decision.append(run, ["cat/03.png"], "drop", reviewer="ann")
    monkeypatch.setattr(kept_rows, "MOST_IMAGES", 12)
    few = functools.partial(random_sample.draw, flagged=4, unflagged=0)
    monkeypatch.setattr(random_sample, "draw", few)
    dataset = build_dataset.build_from(run)
    assert len(dataset) == 11
    assert len(dataset.load_saved_view("Undecided")) == 10


def test_a_decision_says_which_findings_were_right(run: Run) -> None:
    person_decision.append(run, [MISLABELED[0]], "relabel", reviewer="ann", labels=["dog"])
    person_decision.append(run, [MISLABELED[1], "cat/00.png"], "relabel", reviewer="ann", labels=["cat", "dog"])
    person_decision.append(run, list(COPIES[1:]), "drop", reviewer="ann")
    log = decision_log.read(run.decisions)
    assert log["decision"].tolist() == ["keep", "relabel", "relabel", "drop"], "relabelling to the given label keeps"
    assert log["label"].tolist()[1:3] == ["cat", "dog"]
    assert log["label"].isna().tolist() == [True, False, False, True]
    assert log["rejected"].tolist()[0] == "bright;mislabeled"
    assert log["confirmed"].tolist()[1] == "mislabeled"
    assert log["confirmed"].tolist()[3] == "exact_duplicate"
    assert log["score"].tolist()[:2] == [0.99, 0.89]
    assert log["batch"].nunique() == 3
    assert log["given_label"].tolist() == ["dog", "dog", "cat", "cat"]


def test_nothing_found(run: Run) -> None:
    run.write(tables.ISSUES, tables.empty(tables.ISSUES))
    dataset = build_dataset.build_from(run)
    assert dataset.list_saved_views() == ["Inbox", "Calibrate", "Undecided", "Disputed", "Decided"]
    assert len(dataset.load_saved_view("Inbox")) == 0
