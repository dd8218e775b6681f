"""What the keys call in FiftyOne's server: real operators on a real database, without a browser."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from imageclinic.cleaning.decisions import decision_log, person_decision
from imageclinic.cleaning.review.dataset import build_dataset, map_panel
from imageclinic.cleaning.reviewers import gold_log, team_settings
from imageclinic.core import tables
from imageclinic.core.predicted import tested_images
from imageclinic.core.processes import child_process
from imageclinic.core.reading import saved_map
from imageclinic.core.run import Run
from tests.helpers.review_run import COPIES, MISLABELED, make_large_run, make_run, write_map

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path, fiftyone: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    made = make_run(tmp_path)
    monkeypatch.setenv("IMAGECLINIC_RUN", str(made.path))
    return made


class App:
    """The open dataset, and calls of the operators as the App makes them."""

    def __init__(self, run: Run, reviewer: str | None = None) -> None:
        self.dataset: Any = build_dataset.build_from(run, reviewer=reviewer)
        self.ids = dict(zip(*self.dataset.values(["image_id", "id"]), strict=True))
        self.names = {sample: name for name, sample in self.ids.items()}
        self.lasso: list[str] = []
        self.asked: Any = None

    def call(self, operator: str, view: str = "", **params: Any) -> dict[str, Any]:
        from imageclinic.cleaning.review.plugin import confusion_views, desk, next_batch, operators, panel

        modules = (operators, desk, panel, confusion_views, next_batch)
        known = {each.name: each for module in modules for each in module.ALL}
        result: dict[str, Any] = known[operator]().execute(self.context(view, params))
        return result

    def context(self, view: str = "", params: dict[str, Any] | None = None) -> Any:
        from fiftyone.operators.executor import ExecutionContext, Executor

        stages = self.dataset.load_saved_view(view)._serialize() if view else []
        extended = {"fiftyone.core.stages.Select": {"sample_ids": self.lasso, "ordered": False}} if self.lasso else {}
        request = {"dataset_name": self.dataset.name, "view": stages, "params": params or {}, "extended": extended}
        if view:
            request["view_name"] = view
        self.asked = Executor()  # keeps what the App is asked to do
        return ExecutionContext(request_params=request, executor=self.asked)

    def decide(self, decision: str, *names: str, view: str = "", **more: Any) -> dict[str, Any]:
        return self.call("decide", view, decision=decision, ids=[self.ids[name] for name in names], **more)

    def card(self, name: str, view: str = "") -> dict[str, Any]:
        card: dict[str, Any] = self.call("cards", view, ids=[self.ids[name]])["cards"][0]
        return card


def others(run: Run, name: str, decision: str, reviewer: str = "bob") -> None:
    decision_log.append(run.decisions, pd.DataFrame([{"image_id": name, "decision": decision, "reviewer": reviewer}]))


def test_what_somebody_decided_since_is_not_overwritten(run: Run) -> None:
    app = App(run)
    name = MISLABELED[0]
    others(run, name, "drop")
    answer = app.decide("keep", name, shown={app.ids[name]: None})
    assert answer["failed"] and "bob has decided: drop" in answer["message"]
    assert len(decision_log.read(run.decisions)) == 1
    answer = app.decide("keep", name, shown={app.ids[name]: "drop"})
    assert not answer["failed"] and "Reviewers disagree" in answer["message"]


def test_replacing_ones_own_decision_is_reported(run: Run) -> None:
    app = App(run)
    assert "Replaced" not in app.decide("drop", MISLABELED[0])["message"]
    assert "Replaced your drop." in app.decide("keep", MISLABELED[0])["message"]
    app.decide("drop", MISLABELED[1])
    assert "Replaced 2 of your decisions." in app.decide("unsure", *MISLABELED[:3])["message"]


def test_what_others_decide_shows_only_after_ones_own(run: Run) -> None:
    app = App(run)
    name = MISLABELED[0]
    others(run, name, "drop")
    changed = app.call("changes")["samples"]
    assert [str(sample["_id"]) for sample in changed] == [app.ids[name]]
    assert app.call("changes")["samples"] == []
    card = app.card(name)
    assert card["others"] and card["reviewer"] == "bob"
    app.decide("keep", name)
    card = app.card(name)
    assert card["disputed"] and not card["others"] and "bob: drop; ann: keep" in card["who"]
    assert app.dataset.load_saved_view("Disputed").values("image_id") == [name]


def test_the_random_sample_waits_for_each_reviewer(run: Run) -> None:
    app = App(run)
    one, two = MISLABELED[:2]
    others(run, one, "drop")
    app.decide("keep", two, view="Calibrate")
    order = app.call("order", "Calibrate")
    waits = dict(zip(order["ids"], order["waiting"], strict=True))
    assert waits[app.ids[one]] and not waits[app.ids[two]], "what bob has decided waits for ann"
    assert not app.call("order", "Mislabeled")["waiting"][app.call("order", "Mislabeled")["ids"].index(app.ids[one])]
    assert app.call("panel")["sample"]["done"] == 1
    app.decide("keep", one, view="Calibrate")
    assert sum(app.call("order", "Calibrate")["waiting"]) == len(order["ids"]) - 2
    assert app.call("panel")["sample"]["done"] == 2
    app.call("decide", decision="undo", ids=[])
    assert dict(zip(order["ids"], app.call("order", "Calibrate")["waiting"], strict=True))[app.ids[one]]


def test_tiles_of_the_random_sample_show_ones_own_decisions_only(run: Run) -> None:
    one, two, three = MISLABELED[:3]
    others(run, one, "drop", reviewer="joann")
    app = App(run, reviewer="ann")

    def shown() -> dict[str, str]:
        ids, decisions = app.dataset.load_saved_view("Calibrate").values(["id", "decision"])
        return {app.names[i]: decision for i, decision in zip(ids, decisions, strict=True) if decision}

    assert shown() == {}
    assert app.dataset.match({"decision": "drop"}).values("image_id") == [one], "elsewhere it shows"
    assert app.decide("keep", two, view="Calibrate")["samples"][0]["decision"] == "keep"
    assert shown() == {two: "keep"}
    others(run, three, "drop")
    (seen,) = app.call("changes", "Calibrate")["samples"]
    assert (seen["decision"], seen["reviewer"]) == (None, "bob"), "what came meanwhile is hidden, too"
    app.decide("drop", one, view="Calibrate")
    assert shown() == {one: "drop", two: "keep"}


def test_a_view_of_the_undecided_moves_on_to_what_follows(run: Run) -> None:
    app = App(run)
    undecided = app.dataset.load_saved_view("Undecided").values("image_id")
    answer = app.decide("keep", undecided[2], view="Undecided", grid=True)
    assert app.names[answer["next"]] == undecided[3]
    answer = app.decide("keep", undecided[-1], view="Undecided", grid=True)
    assert app.names[answer["next"]] == undecided[0], "there are some before it"


def test_the_last_copy_of_a_group_waits_no_longer_until_undone(run: Run) -> None:
    app = App(run)
    flagged = run.read(tables.ISSUES)["image_id"].dropna().nunique()
    app.decide("drop", COPIES[1])
    assert COPIES[0] not in app.dataset.load_saved_view("Undecided").values("image_id")
    assert app.call("progress")["done"] == 2
    assert app.card(COPIES[0])["settled"]
    order = app.call("order", "Exact duplicate")
    assert not any(order["waiting"])
    app.call("decide", decision="undo", ids=[])
    assert app.call("progress") == {**app.call("progress"), "done": 0, "flagged": flagged}
    assert COPIES[0] in app.dataset.load_saved_view("Undecided").values("image_id")


def test_a_card_of_the_random_sample_shows_nothing_that_a_check_found(run: Run) -> None:
    app = App(run)
    card = app.card(MISLABELED[0], "Calibrate")
    empty = ("suggested", "image_id", "evidence", "cluster", "survivor", "who", "likely", "copies", "near")
    assert not any(card[name] for name in empty)
    assert card["given"] == "dog"
    seen = app.card(MISLABELED[0])
    assert seen["evidence"] and seen["suggested"]
    answer = app.decide("relabel", MISLABELED[0], view="Calibrate")
    assert "judged blind" in answer["message"] and not answer["n"]
    assert app.call("order", "Calibrate")["blind"]
    assert app.decide("keep", MISLABELED[0], view="Calibrate", grid=True)["next"]


def test_likely_classes_come_in_the_order_of_their_probability(run: Run) -> None:
    names = run.read(tables.DATASET)["image_id"].tolist()
    rows = {"image_id": names, "fold": [0] * len(names), "label_quality": [0.5] * len(names)}
    probabilities = np.tile(np.float32([0.1, 0.2, 0.7]), (len(names), 1))
    classes = {"classes": json.dumps(["cat", "dog", "owl"])}
    tables.write_vectors(run.predictions, rows, "pred_probs", probabilities, classes)
    card = App(run).card(MISLABELED[0])
    assert [name for name, _ in card["likely"]] == ["owl", "dog", "cat"]
    assert [share for _, share in card["likely"]] == pytest.approx([0.7, 0.2, 0.1])


def test_a_card_says_who_gave_which_label_and_the_random_sample_does_not(run: Run) -> None:
    who = ["<b>ann</b>", "bob", "cy"]
    said = tables.frame(tables.ANNOTATIONS, image_id=[MISLABELED[0]] * 3, annotator=who, label=["dog", "cat", "dog"])
    run.write(tables.ANNOTATIONS, said)
    rest = {"labels": 3, "agreement": 0.5, "low": 0.1, "high": 0.9, "confusion": None}
    run.update_info(
        {"annotators": [{"annotator": name, "quality": q, **rest} for name, q in (("bob", 0.9), (who[0], 0.4))]}
    )
    app = App(run)
    assert app.card(MISLABELED[0])["said"] == [["bob", "cat", 0.9], [who[0], "dog", 0.4], ["cy", "dog", None]]
    assert app.card(MISLABELED[1])["said"] == []
    assert app.card(MISLABELED[0], "Calibrate")["said"] == []


def test_two_reviewers_begin_with_different_images(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(run)
    for name in ("ann", "bob"):
        person_decision.append(run, [COPIES[0]], "keep", reviewer=name)
    anns = app.call("order", "Inbox")["ids"]
    monkeypatch.setenv("IMAGECLINIC_REVIEWER", "bob")
    bobs = app.call("order", "Inbox")["ids"]
    assert sorted(anns) == sorted(bobs) and anns[0] != bobs[0]


def test_a_lasso_on_the_map_is_what_the_desk_and_a_batch_are_about(run: Run) -> None:
    app = App(run)
    assert not app.call("panel")["map"]
    mapped = [name for name in app.ids if name != "dog/torn.jpg"]
    tables.write_vectors(run.embeddings, {"image_id": mapped}, "embedding", np.eye(len(mapped), dtype=np.float32))
    write_map(run, mapped)
    map_panel.show(app.dataset, saved_map.read(run.embedding_map, run.embeddings))
    assert app.call("panel")["map"]
    assert "map" in app.dataset.list_workspaces()
    points = app.dataset.load_brain_results("map")
    assert [app.names[sample] for sample in points.sample_ids] == mapped
    assert np.allclose(points.points[:, 1], -np.abs(np.linspace(0, 1, len(mapped)) - 0.5), atol=1e-6)

    held = [*MISLABELED[:3], "cat/00.png"]
    app.decide("keep", MISLABELED[0])
    app.lasso = [app.ids[name] for name in held]
    order = app.call("order", "Mislabeled")
    assert sorted(app.names[sample] for sample in order["ids"]) == sorted(MISLABELED[:3])
    assert sum(order["waiting"]) == 2 and order["view"] == "Lasso"
    counts = app.call("view_counts", ids=app.lasso)
    assert counts == {"total": 4, "left": 3, "testing": 1, "suggested": 2, "blind": False}
    ids, app.lasso = app.lasso, [app.ids["cat/05.png"]]  # another lasso since the confirmation
    assert app.call("whole_view", decision="drop", ids=ids, from_key=True)["failed"]
    answer = app.call("whole_view", decision="relabel", label="bird", ids=ids, sure=True, from_key=True)
    assert sorted(app.names[sample] for sample in answer["ids"]) == sorted([*MISLABELED[1:3], "cat/00.png"])
    log = decision_log.read(run.decisions)
    assert log["label"].dropna().tolist() == ["bird"] * 3 and log["batch"].nunique() == 2
    assert not app.call("whole_view", "Calibrate", decision="drop", ids=ids, sure=True, from_key=True)["ids"]


def test_the_next_fifty_are_accepted_at_once_where_random_reviews_support_it(
    tmp_path: Path, fiftyone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_large_run(tmp_path / "run", tmp_path / "data")
    monkeypatch.setenv("IMAGECLINIC_RUN", str(run.path))
    app = App(run, "ann")
    assert app.call("next_batch", "Inbox") == app.call("next_batch", "Calibrate") == app.call("next_batch") == {}
    empty = app.call("next_batch", "Mislabeled")
    assert (empty["n"], empty["reviews"], empty["most"], empty["supported"]) == (50, 0, 50, False)
    refused = app.call("accept_batch", "Mislabeled", ids=empty["ids"])
    assert refused["failed"] and not refused["n"]

    flags = run.read(tables.ISSUES).set_index("image_id")["suggested_label"]
    drawn = [app.names[sample] for sample in app.dataset.load_saved_view("Calibrate").values("id")]
    sample = [name for name in drawn if name in flags.index]
    right, wrong = sample[:199], sample[199:200]
    person_decision.append(run, right, "relabel", reviewer="ann", labels=flags[right].tolist(), blind=True)
    person_decision.append(run, wrong, "keep", reviewer="ann", blind=True)
    app.call("changes")
    in_order = [name for name in flags.index if name not in {*right, *wrong}]
    for_two, gold, disputed = in_order[:3]
    team_settings.write(run, team_settings.TeamSettings(two_reviewers=(for_two,)))
    gold_log.place(run, "ann", [gold])
    others(run, disputed, "keep")
    others(run, disputed, "drop", "eve")
    app.call("changes")
    offered = app.call("next_batch", "Mislabeled")
    assert [app.names[sample] for sample in offered["ids"]] == in_order[3:53]
    assert offered["supported"] and offered["most"] <= 5 and offered["reviews"] >= offered["needed"]

    others(run, in_order[3], "keep")
    app.call("changes")
    assert app.call("accept_batch", "Mislabeled", ids=offered["ids"])["failed"], "somebody has decided meanwhile"
    offered = app.call("next_batch", "Mislabeled")
    before = len(decision_log.read(run.decisions))
    answer = app.call("accept_batch", "Mislabeled", ids=offered["ids"])
    assert answer["ids"] == offered["ids"] and "these 5" in answer["message"] and "50 images" in answer["message"]
    (opened,) = app.asked.to_json()["requests"]
    assert opened["operator_uri"].endswith("set_view")
    looked_at = dict(opened["params"]["view"][0]["kwargs"])["sample_ids"]
    assert len(set(looked_at)) == 5 and set(looked_at) < set(offered["ids"])
    batch = decision_log.read(run.decisions).iloc[before:]
    assert batch["confirmed"].isna().all(), "nobody has looked at each of them"
    assert batch["label"].tolist() == flags[in_order[4:54]].tolist() and batch["batch"].nunique() == 1
    assert app.call("next_batch", "Mislabeled")["ids"][0] == app.ids[in_order[54]]
    assert set(app.call("decide", decision="undo", ids=[])["ids"]) == set(offered["ids"])
    assert app.call("next_batch", "Mislabeled")["ids"] == offered["ids"]


def test_the_plugin_names_every_operator(fiftyone: Any) -> None:
    from imageclinic.cleaning.review.plugin import confusion_views, desk, next_batch, operators, panel

    named = yaml.safe_load((Path(panel.__file__).parent / "fiftyone.yml").read_text("utf-8"))["operators"]
    modules = (operators, desk, panel, confusion_views, next_batch)
    assert sorted(named) == sorted(each.name for module in modules for each in module.ALL)


def test_a_pair_of_confused_classes_opens_its_images_worst_first(run: Run) -> None:
    app = App(run)
    assert app.call("panel")["confusions"] == []
    assert app.call("confusion_matrix")["message"]
    judged = [*MISLABELED, "cat/00.png", "cat/01.png"]
    probabilities = np.array([[0.9, 0.1]] * 2 + [[0.3, 0.7]] * 3 + [[0.2, 0.8], [0.8, 0.2]], np.float32)
    quality = [0.2, 0.1, 0.7, 0.7, 0.7, 0.3, 0.8]
    columns = {"image_id": judged, "fold": [0] * 7, "label_quality": quality}
    metadata = {"classes": json.dumps(["cat", "dog"])}
    tables.write_vectors(run.predictions, columns, "pred_probs", probabilities, metadata)
    assert app.call("panel")["confusions"] == [["dog", "cat", 2], ["cat", "dog", 1]]
    assert app.call("panel", "Calibrate")["confusions"] == []
    pair = {"given": "dog", "predicted": "cat", "again": True}
    assert not app.call("confusion", "Calibrate", **pair)["images"], "refused: no view is opened"
    assert [image["name"] for image in app.call("confusion", **pair)["images"]] == [MISLABELED[1], MISLABELED[0]]
    assert not app.call("confusion", given="dog", predicted="owl")["images"]

    others(run, MISLABELED[1], "drop")
    app.call("changes")
    table = app.call("confusion_matrix")
    assert (table["classes"], table["rows"], table["left"]) == (["cat", "dog"], [[1, 1], [2, 3]], [[0, 1], [1, 0]])
    assert table["pairs"] == [["dog", "cat", 2, 1], ["cat", "dog", 1, 1]] and table["left_out"] == 0
    assert set(app.call("confusion_matrix", "Calibrate")) == {"message"}
    decided, open_one = app.call("confusion", **pair)["images"]
    assert (decided["waiting"], decided["state"]) == (False, "decided"), "what somebody else decided is not shown"
    assert (open_one["waiting"], open_one["given"], open_one["predicted"]) == (True, 0.1, 0.9)
    ids = [decided["id"], open_one["id"]]
    answer = app.call("whole_view", decision="relabel", label="cat", ids=ids, sure=True, from_key=True)
    assert answer["ids"] == ids[1:], "what was decided meanwhile stays so"
    assert app.call("confusion", **pair)["images"][1]["state"] == "relabel to cat"
    assert app.call("find", image_id=MISLABELED[0])["id"] == open_one["id"]
    assert app.call("find", image_id="dog")["id"] is app.call("find", "Calibrate", image_id=MISLABELED[0])["id"] is None


def test_what_cleaning_did_to_test_images_are_views(run: Run) -> None:
    cats = ["cat/00.png", "cat/01.png", "cat/02.png"]
    rows = [
        tables.frame(
            tested_images.TEST_PREDICTIONS,
            image_id=cats,
            side=side,
            seed=[seed] * 3,
            label="cat",
            reviewed_label="cat",
            predicted=predicted,
        )
        for side, predicted in (("before", ["dog", "cat", "dog"]), ("after", ["cat", "dog", "dog"]))
        for seed in (0, 1)
    ]
    run.write(tested_images.TEST_PREDICTIONS, pd.concat(rows))
    app = App(run)
    said = app.call("panel")
    assert said["tested"] == [["Fixed by cleaning", 1], ["Broken by cleaning", 1], ["Wrong on the test set", 2]]
    assert said["tested_confusions"] == [["cat", "dog", 2]]
    views = {name: app.dataset.load_saved_view(name).values("image_id") for name, _ in said["tested"]}
    assert list(views.values()) == [[cats[0]], [cats[1]], cats[1:]]
    assert "2 of 2" in app.card(cats[0])["evidence"][-1]
    hidden = app.call("panel", "Calibrate")
    assert hidden["tested"] == hidden["tested_confusions"] == app.card(cats[0], "Calibrate")["evidence"] == []


def test_near_copies_that_are_none_are_kept_as_one_batch_and_free_for_the_split(run: Run) -> None:
    near = ["cat/00.png", "cat/01.png", "cat/pale.png"]
    pairs = [(*COPIES, "bytes", "identity"), (*near[:2], "near", "rot90"), (near[0], near[2], "near", "aligned")]
    names = ("image_id", "other_id", "kind", "transform")
    columns = {name: [pair[n] for pair in pairs] for n, name in enumerate(names)}
    run.write(tables.NEIGHBORS, tables.frame(tables.NEIGHBORS, **columns, distance=[0] * 3, similarity=[1.0] * 3))
    members, of = [*COPIES, *near], ["c1"] * 2 + ["c2"] * 3
    run.write(tables.CLUSTERS, tables.frame(tables.CLUSTERS, image_id=members, cluster=of, split_group=of))
    found = [("near_duplicate", name, None, 0.5, "c2", "review", None, "Near.") for name in near]
    issues = pd.DataFrame(found, columns=tables.ISSUES.names)
    run.write(tables.ISSUES, pd.concat([run.read(tables.ISSUES), issues], ignore_index=True))
    app = App(run)
    card = app.card(near[1])
    assert {app.names[copy["id"]]: copy["turn"] for copy in card["copies"]} == {near[0]: "rot270", near[2]: None}
    assert card["sharpness"] is not None and all(copy["sharpness"] is not None for copy in card["copies"])
    order = app.call("order", "Near duplicate")
    assert order["clusters"] == ["c2"] * 3

    assert app.decide("not_copies", near[0], view="Calibrate")["n"] == 0, "copies are hidden in the random sample"
    answer = app.decide("not_copies", near[0])
    assert {app.names[sample] for sample in answer["ids"]} == set(near[:2]), "the third has another finding"
    log = decision_log.read(run.decisions)
    assert log["batch"].nunique() == 1 and log["rejected"].tolist() == ["near_duplicate"] * 2
    now = decision_log.current(log, run.read(tables.DATASET))
    assert decision_log.kept_by_persons(log, now) == set(near[:2])
    assert app.decide("not_copies", COPIES[0])["n"] == 0, "equal pictures are copies"
    assert set(app.call("decide", decision="undo", ids=[])["ids"]) == {app.ids[name] for name in near[:2]}


def test_what_two_must_see_and_what_has_a_known_answer_look_like_all_others(run: Run) -> None:
    for_two, gold, other = MISLABELED[:3]
    others(run, for_two, "drop")
    others(run, other, "drop")
    for name in ("bob", "eve"):
        others(run, gold, "keep", name)
    team_settings.write(run, team_settings.TeamSettings(two_reviewers=(for_two,), gold_rate=0.5))
    app = App(run, "ann")
    cards = {name: app.card(name) for name in (for_two, gold, MISLABELED[3])}
    for card in cards.values():
        assert (card["decision"], card["reviewer"], card["others"], card["disputed"]) == (None, None, False, False)
    assert app.card(other)["others"]
    assert {for_two, gold} <= set(app.dataset.load_saved_view("Inbox").values("image_id"))
    assert {for_two, gold} <= set(app.dataset.load_saved_view("Undecided").values("image_id"))
    assert not {for_two, gold} & set(app.dataset.load_saved_view("Decided").values("image_id"))
    before, done = decision_log.read(run.decisions), app.call("progress")["done"]

    answer = app.decide("drop", gold, shown={app.ids[gold]: None})
    assert answer["n"] == 1 and answer["message"] == "Dropped 1 image."
    assert (answer["samples"][0]["decision"], answer["samples"][0]["reviewer"]) == ("drop", "ann")
    assert len(decision_log.read(run.decisions)) == len(before) and app.call("progress")["done"] == done + 1
    assert app.call("decide", decision="undo", ids=[])["ids"] == [app.ids[gold]]
    assert app.card(gold)["decision"] is None
    answer = app.decide("keep", for_two, shown={app.ids[for_two]: None})
    assert answer["message"] == "Kept 1 image.", "nobody is moved to come round at once"
    assert "bob: drop; ann: keep" in app.card(for_two)["who"]
    others(run, for_two, "drop", "eve")
    assert app.call("changes")["samples"][0]["decision"] == "drop", "a third one settles it"

    others(run, MISLABELED[4], "drop")
    others(run, MISLABELED[4], "keep", "eve")
    app.call("changes")
    card = app.card(MISLABELED[4])
    assert card["disputed"] and not card["who"], "a third one decides without a view of the two"


def test_words_need_a_network_that_reads(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from imageclinic.cleaning.review.plugin import find_by_words

    app = App(run)
    assert "can't find images by words" in app.call("words", words="a dog", from_key=True)["message"]
    command = child_process.python_module("imageclinic.workflows.steps.reviewing.word_search", str(run.path))
    monkeypatch.setenv(find_by_words.COMMAND_VARIABLE, json.dumps(command))
    assert "does not read" in app.call("words", words="a dog", from_key=True)["message"]
    assert "does not read" in app.call("words", words="a cat", from_key=True)["message"], (
        "the same process answers again"
    )
    monkeypatch.setenv(find_by_words.COMMAND_VARIABLE, json.dumps([sys.executable, "-c", "print('nonsense')"]))
    assert "has ended" in app.call("words", words="a dog", from_key=True)["message"]
    find_by_words.end()
