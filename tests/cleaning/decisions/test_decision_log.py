"""The decision log: durable rows, who counts, undo, carrying over, import, policies, survivors."""

import multiprocessing
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageclinic.cleaning.decisions import decision_log, import_decisions, survivors
from imageclinic.cleaning.decisions.policies import policy, policy_file
from imageclinic.core import tables
from imageclinic.core.errors import InputError


def dataset(**labels):
    """Images named by keyword with their labels; the content is the name's."""
    return make(list(labels), list(labels.values()))


def make(ids, labels, sha=None, **more):
    return tables.frame(
        tables.DATASET,
        image_id=ids,
        label=labels,
        sha256=sha or [f"sha-{i}" for i in ids],
        **{"bytes": 10, "mtime_ns": 0, "width": [8] * len(ids), "height": [8] * len(ids)} | more,
    )


def event(image_id, decision, reviewer="ann", **more):
    return {"image_id": image_id, "decision": decision, "reviewer": reviewer, **more}


def log_of(path, *events, data=None):
    """Append events one by one (each its own batch), with the content hashes and labels of `data`."""
    for row in events:
        if data is not None and "sha256" not in row:
            known = data.set_index("image_id").loc[row["image_id"]]
            row = {**row, "sha256": known["sha256"], "given_label": known["label"]}
        decision_log.append(path, pd.DataFrame([row]))
    return decision_log.read(path)


def decided(current):
    return {row.image_id: row.decision for row in current.itertuples()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "decisions.csv"


nasty = st.text(
    st.characters(exclude_categories=["Cs"], include_characters="\n\r\t\"',=+-@ "), min_size=1, max_size=12
).filter(lambda text: text.strip() == text)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(nasty, nasty, nasty), min_size=1, max_size=4), st.data())
def test_any_text_survives_a_round_trip_and_a_torn_last_row_is_ignored(tmp_path_factory, cells, data):
    path = tmp_path_factory.mktemp("log") / "decisions.csv"
    rows = pd.DataFrame([event(image, "relabel", who, label=label) for image, label, who in cells], dtype="object")
    written = decision_log.append(path, rows)
    pd.testing.assert_frame_equal(decision_log.read(path), written)
    assert written["image_id"].tolist() == [image for image, _, _ in cells]

    whole = path.read_bytes()
    more = decision_log.append(path, pd.DataFrame([event("new\nname", "drop", note='said "x"\n')]))
    torn = data.draw(st.integers(len(whole), path.stat().st_size - 1))
    path.write_bytes(path.read_bytes()[:torn])
    assert decision_log.read(path)["decision_id"].tolist()[: len(written)] == written["decision_id"].tolist()
    assert len(decision_log.read(path)) <= len(written) + 1
    after = decision_log.append(path, pd.DataFrame([event("last", "keep")]))
    healed = decision_log.read(path)
    assert healed["decision_id"].iloc[-1] == after["decision_id"].iloc[0]
    assert set(healed["decision_id"]) - set(more["decision_id"]) == {*written["decision_id"], *after["decision_id"]}


@pytest.mark.slow
def test_a_kill_in_the_middle_of_the_first_write_leaves_a_log_that_goes_on(tmp_path):
    source = tmp_path / "whole.csv"
    decision_log.append(source, pd.DataFrame([event("a", "keep", note="fine")]))
    whole = source.read_bytes()
    header = whole.index(b"\n") + 1
    for size in sorted({*range(0, len(whole), 7), header - 1, header, header + 1, len(whole) - 1}):
        path = tmp_path / f"{size}.csv"
        path.write_bytes(whole[:size])
        decision_log.append(path, pd.DataFrame([event("b", "drop")]))
        assert decision_log.read(path)["image_id"].tolist()[-1] == "b"
        assert path.read_bytes().startswith(b"decision_id,batch,")


def test_a_last_row_without_line_end_counts_when_it_is_whole(path):
    log_of(path, event("a", "keep"), event("b", "drop"))
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    assert decision_log.read(path)["image_id"].tolist() == ["a", "b"]
    assert log_of(path, event("c", "keep"))["image_id"].tolist() == ["a", "b", "c"]


def test_cells_are_no_formulas(path):
    log = log_of(path, event("=cmd()|x.png", "relabel", label="@a", note="-1"))
    assert "'=cmd()|x.png" in path.read_text() and "'@a" in path.read_text()
    assert log[["image_id", "label", "note"]].iloc[0].tolist() == ["=cmd()|x.png", "@a", "-1"]


def test_append_fills_and_returns_what_it_wrote(path):
    rows = decision_log.append(path, pd.DataFrame([event("a", "keep"), event("b", "drop", score=0.1)]))
    assert rows["batch"].nunique() == 1 and rows["decision_id"].nunique() == 2
    assert set(rows["sample"]) == {"ranked"} and rows["decided_at"].str.endswith("Z").all()
    assert decision_log.read(path)["score"].tolist()[1] == 0.1
    assert decision_log.append(path, pd.DataFrame()).empty


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (event("a", "relabel"), "label"),
        (event("a", "delete"), "decision"),
        (event("a", "keep", score=1.5), "score"),
        (event("a", "keep", reviewer=None), "reviewer"),
        (event("", "keep"), "image_id"),
        (event("a", "keep", decided_at="yesterday"), "decided_at"),
        (event("a", "keep", sample="random", inclusion_prob=-1), "inclusion_prob"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(path, row, column):
    with pytest.raises(InputError, match=column):
        decision_log.append(path, pd.DataFrame([event("fine", "keep"), row]))
    assert decision_log.read(path).empty


def test_bad_rows_are_named_with_file_line_column_value(path):
    log_of(path, event("a\nb", "keep"), event("c", "keep"))
    path.write_text(path.read_text().replace("c,,,keep", "c,,,kep"))
    with pytest.raises(InputError, match=r"decisions.csv, line 4, column decision: 'kep'.*one of keep"):
        decision_log.read(path)
    path.write_text(path.read_text().replace("c,,,kep", "c,,kep"))
    with pytest.raises(InputError, match=r"line 4: 15 fields"):
        decision_log.read(path)


def test_a_stray_quote_does_not_swallow_the_rows_after_it(path):
    log_of(path, event("a", "keep"), event("b", "keep"), event("c", "keep"))
    path.write_text(path.read_text().replace("\n", '\n"', 1))
    before = path.read_bytes()
    with pytest.raises(InputError, match="line 2"):
        decision_log.read(path)
    with pytest.raises(InputError, match="line 2"):
        decision_log.append(path, pd.DataFrame([event("d", "keep")]))
    assert path.read_bytes() == before


def test_a_foreign_file_is_no_log(path):
    path.write_text("image_id,label\na,b\n")
    with pytest.raises(InputError, match="no columns decision_id"):
        decision_log.read(path)


def write_many(path, name):
    for i in range(20):
        decision_log.append(path, pd.DataFrame([event(f"{name}-{i}", "keep", name)]))


@pytest.mark.slow
def test_processes_that_write_at_once_lose_nothing(path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(path, name)) for name in ("ann", "bob")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    log = decision_log.read(path)
    assert sorted(log["image_id"]) == sorted(f"{name}-{i}" for name in ("ann", "bob") for i in range(20))


def test_a_folder_that_can_not_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"an't write"):
        decision_log.append(tmp_path / "file" / "decisions.csv", pd.DataFrame([event("a", "keep")]))


def test_the_last_event_of_a_reviewer_counts(path):
    data = dataset(a="cat", b="dog")
    log = log_of(path, event("a", "drop"), event("b", "keep"), event("a", "relabel", label="dog"), data=data)
    current = decision_log.current(log, data)
    assert decided(current) == {"a": "relabel", "b": "keep"}
    assert current["label"].tolist()[0] == "dog" and pd.isna(current["label"].tolist()[1])
    assert not current["disputed"].any()


def test_nothing_decided(path):
    current = decision_log.current(decision_log.read(path), dataset(a="cat"))
    assert current.empty and current["disputed"].dtype == bool
    assert list(current.columns)[:3] == ["image_id", "decision", "label"]


def test_undo_goes_back_step_by_step_and_touches_only_its_reviewer(path):
    data = dataset(a="cat")
    steps = [event("a", "keep"), event("a", "drop"), event("a", "relabel", label="dog"), event("a", "keep", "bob")]
    log = log_of(path, *steps, data=data)
    assert decided(decision_log.current(log[log["reviewer"] == "ann"], data)) == {"a": "relabel"}
    seen = []
    for _ in range(4):
        log = log_of(path, event("a", "undo"), data=data)
        mine = decision_log.current(log[log["reviewer"] == "ann"], data)
        seen.append(decided(mine).get("a"))
    assert seen == ["drop", "keep", None, None]
    assert decided(decision_log.current(log, data)) == {"a": "keep"}


def test_undo_batch_takes_back_whole_batches(path):
    decision_log.append(path, pd.DataFrame([event("a", "keep"), event("b", "keep")]))
    decision_log.append(path, pd.DataFrame([event("b", "drop"), event("c", "drop")]))
    decision_log.append(path, pd.DataFrame([event("a", "drop", "bob")]))
    data = dataset(a="x", b="x", c="x")
    assert decision_log.undo_batch(path, "ann") == ["b", "c"]
    log = decision_log.read(path)
    assert decided(decision_log.current(log[log["reviewer"] == "ann"], data)) == {"a": "keep", "b": "keep"}
    assert decision_log.undo_batch(path, "ann") == ["a", "b"]
    assert decision_log.undo_batch(path, "ann") == []
    assert decided(decision_log.current(decision_log.read(path), data)) == {"a": "drop"}


def test_all_batches_of_a_reviewer_are_taken_back(path):
    decision_log.append(path, pd.DataFrame([event("a", "keep"), event("b", "keep")]))
    decision_log.append(path, pd.DataFrame([event("a", "drop", "bob")]))
    decision_log.append(path, pd.DataFrame([event("b", "drop"), event("c", "drop")]))
    data = dataset(a="x", b="x", c="x")
    assert decision_log.undo_batch(path, "ann", every=True) == ["a", "b", "c"]
    assert decision_log.undo_batch(path, "ann", every=True) == []
    assert decided(decision_log.current(decision_log.read(path), data)) == {"a": "drop"}


def test_reviewers_who_disagree_leave_the_image_undecided(path):
    data = dataset(a="cat", b="cat", c="cat")
    log = log_of(
        path,
        event("a", "drop", confirmed="dark"),
        event("a", "relabel", "bob", label="dog", confirmed="mislabeled"),
        event("b", "keep"),
        event("b", "unsure", "bob"),
        event("c", "drop", rejected="blurry"),
        event("c", "drop", "bob"),
        data=data,
    )
    current = decision_log.current(log, data).set_index("image_id")
    assert current["disputed"].to_dict() == {"a": True, "b": False, "c": False}
    assert pd.isna(current.at["a", "decision"]) and pd.isna(current.at["a", "label"])
    assert current.at["a", "reviewer"] == "ann;bob"
    assert "ann: drop" in current.at["a", "note"] and "bob: relabel to dog" in current.at["a", "note"]
    assert current.at["a", "confirmed"] == "dark;mislabeled"
    assert current.at["b", "decision"] == "keep" and current.at["c", "decision"] == "drop"


def test_a_third_decision_settles_what_two_disagree_about(path):
    data = dataset(a="cat", b="cat")
    first = [event("a", "drop", confirmed="dark"), event("a", "relabel", "bob", label="dog", confirmed="mislabeled")]
    log = log_of(path, *first, event("b", "drop"), event("b", "keep", "bob"), data=data)
    assert decision_log.current(log, data)["disputed"].tolist() == [True, True]
    third = [event("a", "relabel", "eve", label="dog", confirmed="mislabeled"), event("b", "unsure", "eve")]
    log = log_of(path, *third, data=data)
    a, b = decision_log.current(log, data).to_dict("records")
    assert (a["decision"], a["label"], a["disputed"], a["confirmed"]) == ("relabel", "dog", False, "mislabeled")
    assert a["reviewer"] == "ann;bob;eve" and "ann: drop" in a["note"]
    assert b["disputed"], "who is unsure settles nothing"
    log = log_of(path, event("a", "drop", "fay"), event("b", "drop", "bob"), data=data)
    current = decision_log.current(log, data)
    assert current["disputed"].tolist() == [True, False], "two against two; one who came round"


def test_a_person_outranks_a_policy_even_when_unsure(path):
    data = dataset(a="cat", b="cat", c="cat")
    log = log_of(
        path,
        event("a", "keep"),
        event("a", "drop", "policy:x"),
        event("b", "unsure"),
        event("b", "drop", "policy:x"),
        event("c", "drop", "policy:x"),
        event("c", "relabel", "policy:y", label="dog"),
        data=data,
    )
    current = decision_log.current(log, data)
    assert decided(current) == {"a": "keep", "b": "unsure", "c": "relabel"}
    assert not current["disputed"].any()


def test_decisions_follow_the_content_to_another_path(path):
    log = log_of(path, event("old", "relabel", label="dog", sha256="s1", given_label="cat"))
    moved = make(["new", "other"], ["cat", "cat"], ["s1", "s2"])
    assert decided(decision_log.current(log, moved)) == {"new": "relabel"}
    assert decision_log.stale(log, moved).empty
    log = log_of(path, event("new", "undo", sha256="s1", given_label="cat"))
    assert decision_log.current(log, moved).empty


@pytest.mark.parametrize(
    "now",
    [
        make(["old"], ["cat"], ["changed"]),
        make(["old"], ["dog"], ["s1"]),
        make(["a", "b"], ["cat", "cat"], ["s1", "s1"]),
        make(["a"], ["dog"], ["s1"]),
    ],
    ids=["content changed", "label changed", "two images fit", "moved and relabelled"],
)
def test_a_decision_that_fits_no_image_any_more_is_stale(path, now):
    log = log_of(path, event("old", "drop", sha256="s1", given_label="cat"))
    assert decision_log.current(log, now).empty
    assert decision_log.stale(log, now)["image_id"].tolist() == ["old"]


def test_a_drop_as_a_copy_does_not_follow_to_the_copy_that_was_kept(path):
    log = log_of(path, event("copy", "drop", sha256="s1", given_label="cat", confirmed="exact_duplicate"))
    left = make(["original"], ["cat"], ["s1"])  # the user deleted the copy
    assert decision_log.current(log, left).empty
    assert len(decision_log.stale(log, left)) == 1


def test_a_decision_about_the_path_outranks_one_that_followed(path):
    data = make(["here"], ["cat"], ["s1"])
    log = log_of(path, event("here", "keep"), event("gone", "drop", "bob", sha256="s1", given_label="cat"))
    assert decided(decision_log.current(log, data)) == {"here": "keep"}


def test_import_fills_validates_and_can_be_repeated(path, tmp_path):
    data = dataset(a="cat", b="dog")
    file = tmp_path / "mine.csv"
    file.write_text("﻿image_id,decision,label,note\r\na,relabel,dog,\r\n\r\nb,drop,,'=1+1", "utf-8")
    rows = import_decisions.import_csv(file, path, data, "ann")
    assert rows["sha256"].tolist() == ["sha-a", "sha-b"] and rows["given_label"].tolist() == ["cat", "dog"]
    assert set(rows["reviewer"]) == {"ann"} and rows["note"].tolist()[1] == "=1+1"
    assert decided(decision_log.current(decision_log.read(path), data)) == {"a": "relabel", "b": "drop"}
    assert import_decisions.import_csv(path, path, data, "bob").empty
    assert len(decision_log.read(path)) == 2


def test_import_names_every_bad_row_and_writes_nothing(path, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("image_id,decision,label\na,keep,\nb,relabel,\nzzz,drop,\na,explode,\n")
    with pytest.raises(InputError) as caught:
        import_decisions.import_csv(file, path, dataset(a="cat", b="dog"), "ann")
    message = str(caught.value)
    for part in ("line 3, label", "line 4, image_id 'zzz'", "line 5, decision 'explode'"):
        assert part in message
    assert "line 2, " not in message and not path.exists()


@pytest.mark.parametrize(
    "text", ["image_id\na\n", "image_id,decision,colour\na,keep,red\n", "", "image_id,decision\na\n"]
)
def test_import_refuses_other_tables(path, tmp_path, text):
    file = tmp_path / "mine.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=r"mine\.csv"):
        import_decisions.import_csv(file, path, dataset(a="cat"), "ann")
    with pytest.raises(InputError, match=r"an't read"):
        import_decisions.import_csv(tmp_path / "none.csv", path, dataset(a="cat"), "ann")


# Survivors and policies
# ----------------------------------------------------------------------------------------------

NO_CURRENT = decision_log.current(tables.empty(tables.DECISION_LOG), dataset(a="x"))


def features(ids, sharpness=None, pixel_hash=None):
    columns = {c.name: 0 for c in tables.FEATURES.columns if c.name != "image_id" and not c.nullable}
    columns["sharpness"] = sharpness or [1.0] * len(ids)
    columns["pixel_hash"] = pixel_hash if pixel_hash is not None else np.arange(len(ids), dtype=np.uint64) + 2**63
    return tables.frame(tables.FEATURES, image_id=ids, **columns)


def clusters(**of):
    return tables.frame(tables.CLUSTERS, image_id=list(of), cluster=list(of.values()), split_group=list(of.values()))


def splits(**of):
    return tables.frame(tables.SPLIT_TABLE, image_id=list(of), split=list(of.values()))


def survivor(data, current=NO_CURRENT, sharpness=None, **split):
    ids = data["image_id"].tolist()
    split = splits(**{**dict.fromkeys(ids, "train"), **split})
    chosen = survivors.choose(data, features(ids, sharpness), clusters(**dict.fromkeys(ids, "c")), split, current)
    assert chosen["survivor"].sum() <= 1 and chosen["reason"].notna().all()
    return next(iter(chosen.loc[chosen["survivor"], "image_id"]), None), chosen.set_index("image_id")[
        "reason"
    ].to_dict()


def test_the_best_copy_survives_by_each_criterion_in_turn(path):
    three, same = ["a", "b", "c"], ["x"] * 3
    assert survivor(make(three, same))[0] == "a"
    assert survivor(make(three, same, bytes=[1, 2, 1]))[0] == "b"
    assert survivor(make(three, same, bytes=[1, 2, 1]), sharpness=[1, 1, 2])[0] == "c"
    assert survivor(make(three, same, width=[9, 8, 8]), sharpness=[1, 1, 2])[0] == "a"
    data = make(three, same, width=[9, 8, 8])
    reviewed = decision_log.current(log_of(path, event("b", "keep"), data=data), data)
    assert survivor(data, reviewed)[0] == "b"
    winner, why = survivor(data, reviewed, c="test")
    assert winner == "c" and "test split" in why["c"] and why["a"] == "copy of c"


def test_of_two_test_copies_the_better_survives():
    assert survivor(make(["a", "b", "c"], ["x"] * 3, width=[9, 8, 7]), b="test", c="test")[0] == "b"


def test_conflicting_labels_need_a_decision(path):
    data = make(["a", "b", "c"], ["cat", "dog", "dog"], width=[9, 8, 8])
    assert survivor(data)[0] == "b", "two of three copies are dogs, and b is the larger"
    assert survivor(data, a="test")[0] is None, "the only test image is no dog: a person decides"
    assert survivor(data, c="test")[0] == "c"
    two = make(["a", "b"], ["cat", "dog"])
    winner, why = survivor(two)
    assert winner is None and "cat, dog" in why["a"], "one of each"
    four = make(["a", "b", "c", "d"], ["cat", "dog", "dog", "cat"])
    assert survivor(four)[0] is None, "two of each"
    right = decision_log.current(log_of(path, event("b", "keep"), data=data), data)
    assert survivor(data, right)[0] == "b"
    assert survivor(data, right, a="test")[0] is None, "the test image must not be lost silently"
    both = decision_log.current(log_of(path, event("a", "keep", "bob"), data=data), data)
    assert survivor(data, both)[0] is None


def test_dropped_and_unreadable_copies_do_not_survive(path):
    data = make(["a", "b"], ["x", "x"], read_error=["truncated", None])
    assert survivor(data)[0] == "b"
    dropped = decision_log.current(log_of(path, event("b", "drop"), data=data), data)
    assert survivor(data, dropped)[0] is None


def finding(check, image_id, score, **more):
    return {
        "check": check,
        "image_id": image_id,
        "score": score,
        "suggested_action": "review",
        "evidence": "Seen.",
        **more,
    }


def issues(*rows):
    data = pd.DataFrame(list(rows)).reindex(columns=tables.ISSUES.names)
    return tables.validate(data, tables.ISSUES)


def policy_of(accept, found, data, cluster=None, current=NO_CURRENT, split=None, pixel_hash=None, checks=(), **include):
    ids = data["image_id"].tolist()
    return decision_log.policy_events(
        accept,
        name="test",
        dataset=data,
        issues=found,
        clusters=clusters(**(cluster or {})),
        features=features(ids, pixel_hash=pixel_hash),
        splits=splits(**(split or dict.fromkeys(ids, "train"))),
        current=current,
        checks=checks,
        **include,
    )


def test_a_policy_accepts_scores_at_or_above_its_threshold(path):
    data = dataset(a="cat", b="cat", c="cat", d="cat")
    found = issues(
        finding("mislabeled", "a", 0.95, suggested_label="dog"),
        finding("mislabeled", "b", 0.94, suggested_label="dog"),
        finding("mislabeled", "c", 0.99),
        finding("dark", "d", 0.5),
        finding("mislabeled", "d", 0.99, suggested_label="dog"),
    )
    events = policy_of({"mislabeled": 0.95, "dark": 0}, found, data).set_index("image_id")
    assert events["decision"].to_dict() == {"a": "relabel", "d": "drop"}
    assert events.loc["a", ["label", "confirmed", "score", "sha256", "given_label", "note", "reviewer"]].tolist() == [
        "dog", "mislabeled", 0.95, "sha-a", "cat", "Seen.", "policy:test",
    ]  # fmt: skip
    assert events.at["d", "confirmed"] == "dark"
    decision_log.append(path, events.reset_index())
    assert decided(decision_log.current(decision_log.read(path), data)) == {"a": "relabel", "d": "drop"}
    again = policy_of(
        {"mislabeled": 0.95, "dark": 0}, found, data, current=decision_log.current(decision_log.read(path), data)
    )
    assert again.empty, "what is in force is not decided twice"


def test_a_policy_never_overrides_a_person(path):
    data = dataset(a="cat", b="cat", c="cat")
    log = log_of(path, event("a", "keep"), event("b", "unsure"), data=data)
    found = issues(*(finding("dark", i, 1) for i in "abc"))
    events = policy_of({"dark": 0}, found, data, current=decision_log.current(log, data))
    assert events["image_id"].tolist() == ["c"]


def test_copies_but_the_survivor_are_dropped():
    data = make(["a", "b", "c", "d"], ["x"] * 4, width=[8, 8, 9, 8])
    found = issues(
        *(finding("exact_duplicate", i, 1, cluster="k") for i in "ab"),
        *(finding("near_duplicate", i, 0.9, cluster="k") for i in "abc"),
    )
    cluster = {"a": "k", "b": "k", "c": "k"}
    hashes = np.array([2**63 + 1, 2**63 + 1, 2**63 + 2, 5], np.uint64)
    exact = policy_of({"exact_duplicate": 0}, found, data, cluster, pixel_hash=hashes)
    assert exact["image_id"].tolist() == ["b"], "the near copy c is no exact one"
    assert exact["note"].tolist() == ["copy of a; Seen."]
    both = policy_of({"exact_duplicate": 0, "near_duplicate": 0}, found, data, cluster, pixel_hash=hashes)
    assert both["image_id"].tolist() == ["a", "b"]
    assert policy_of({"near_duplicate": 0.95}, found, data, cluster).empty


def test_a_leak_is_removed_on_the_training_side_only():
    data = make(["a", "b", "c"], ["x"] * 3, split=["train", "test", "test"])
    found = issues(*(finding("split_leakage", i, 1, cluster="k") for i in "abc"))
    split = {"a": "train", "b": "test", "c": "test"}
    events = policy_of({"split_leakage": 0}, found, data, dict.fromkeys("abc", "k"), split=split)
    assert events["image_id"].tolist() == ["a"]


def test_conflicting_copies_follow_a_majority_and_nothing_else():
    found = issues(*(finding("conflicting_label", i, 1, cluster="k") for i in "abc"))
    cluster = dict.fromkeys("abc", "k")
    events = policy_of({"conflicting_label": 0}, found, dataset(a="cat", b="dog", c="dog"), cluster)
    assert events[["image_id", "decision", "label"]].to_numpy().tolist() == [["a", "relabel", "dog"]]
    assert policy_of({"conflicting_label": 0}, found, dataset(a="cat", b="dog", c="owl"), cluster).empty
    both = issues(*(finding(c, i, 1, cluster="k") for c in ("conflicting_label", "near_duplicate") for i in "abc"))
    large = make(["a", "b", "c"], ["cat", "dog", "dog"], width=[8, 8, 9])
    decided = policy_of({"conflicting_label": 0, "near_duplicate": 0}, both, large, cluster)
    dropped = decided.loc[decided["decision"].eq("drop"), "image_id"]
    assert set(dropped) == {"a", "b"}, "the largest dog stays: a policy's new label is no review"
    test = {"a": "test", "b": "train", "c": "train"}
    given = dataset(a="cat", b="dog", c="dog")
    assert policy_of({"conflicting_label": 0}, found, given, cluster, split=test).empty, "a person judges a test image"
    copied = issues(*(finding("near_duplicate", i, 1, cluster="k") for i in "abc"))
    assert policy_of({"near_duplicate": 0}, copied, given, cluster, split=test).empty
    copies = issues(*(finding("near_duplicate", i, 1, cluster="k") for i in "abc"))
    assert policy_of({"near_duplicate": 0}, copies, dataset(a="cat", b="dog", c="dog"), cluster).empty, "for a person"
    dropped = policy_of(
        {"near_duplicate": 0}, copies, dataset(a="cat", b="dog", c="dog"), cluster, include_conflicts=True
    )
    assert dict(zip(dropped["image_id"], dropped["decision"], strict=True)) == {"a": "drop", "c": "drop"}
    assert policy_of({"near_duplicate": 0}, copies, dataset(a="cat", b="dog", c="owl"), cluster).empty


def test_a_policy_leaves_test_images_to_a_person():
    data = dataset(a="cat", b="cat", c="cat")
    found = issues(
        finding("mislabeled", "a", 1, suggested_label="dog"),
        finding("mislabeled", "b", 1, suggested_label="dog"),
        finding("dark", "c", 1),
    )
    split = {"a": "test", "b": "train", "c": "test"}
    accept = {"mislabeled": 0, "dark": 0}
    assert policy_of(accept, found, data, split=split)["image_id"].tolist() == ["b"]
    assert policy_of(accept, found, data, split=split, include_test=True)["image_id"].tolist() == ["a", "b", "c"]
    own = make(["a", "b", "c"], ["cat"] * 3, split=["test", "train", "test"])
    assert policy_of(accept, found, own)["image_id"].tolist() == ["b"], "also those that the dataset calls test"


def test_a_policy_does_not_set_copies_against_each_other():
    """Three copies, two of them labelled right: the third is neither relabelled nor kept as the only one."""
    found = issues(
        finding("mislabeled", "c", 0.99, suggested_label="dog"),
        *(finding("exact_duplicate", i, 1, cluster="k") for i in "abc"),
    )
    cluster, hashes = dict.fromkeys("abc", "k"), np.array([7, 7, 7], np.uint64)
    accept = {"mislabeled": 0.95, "exact_duplicate": 0}
    alike = make(["a", "b", "c"], ["cat", "cat", "cat"], width=[8, 8, 9])
    events = policy_of(accept, found, alike, cluster, pixel_hash=hashes)
    assert dict(zip(events["image_id"], events["decision"], strict=True)) == {"a": "drop", "b": "drop"}
    differing = make(["a", "b", "c"], ["cat", "cat", "owl"], width=[8, 8, 9])
    assert policy_of(accept, found, differing, cluster, pixel_hash=hashes).empty


def test_what_can_not_be_accepted():
    data = dataset(a="cat")
    found = issues(finding("dark", "a", 1), finding("class_imbalance", None, 1, label="cat"))
    with pytest.raises(InputError, match=r"unknown check 'drak'.*dark|Unknown check 'drak'"):
        policy_of({"drak": 0}, found, data)
    with pytest.raises(InputError, match="about classes"):
        policy_of({"class_imbalance": 0}, found, data)
    with pytest.raises(InputError, match="0 to 1"):
        policy_of({"dark": 1.5}, found, data)
    assert policy_of({"blurry": 0}, found, data, checks=["blurry"]).empty
    assert len(policy_of({"dark": 0}, issues(finding("dark", "gone", 1)), data)) == 0


def test_policies_are_parsed(tmp_path):
    assert policy.parse_accept(["mislabeled:0.95", "exact_duplicate"]) == {"mislabeled": 0.95, "exact_duplicate": 0.0}
    assert policy.parse_accept(["dark, mislabeled:0.9,", "blurry"]) == {"dark": 0.0, "mislabeled": 0.9, "blurry": 0.0}
    with pytest.raises(InputError, match="nine"):
        policy.parse_accept(["mislabeled:nine"])
    file = tmp_path / "strict.yaml"
    file.write_text("accept:\n  mislabeled: 0.9\n  dark:\n")
    assert policy_file.load(file) == ("strict", {"mislabeled": 0.9, "dark": 0.0})
    for text in ("", "accept: {dark: 2}", "accept: [dark]", "accept: {dark: 1}\nacept: 1", "a: [", "\x00"):
        file.write_text(text)
        with pytest.raises(InputError, match=re.compile("strict|dark")):
            policy_file.load(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_id;decision\na;keep\n", "separated by semicolons"),
        ("image_id\tdecision\na\tkeep\n", "separated by tabs"),
        ("path,verdict\na,keep\n", "no column 'image_id', 'decision'; unknown column 'path', 'verdict'"),
        ("image_id,decision,image_id\na,keep,a\n", "twice the column 'image_id'"),
        ("image_id,decision,label\na,keep\nb,keep,,\na,keep,\n", "line 2: 2 fields; line 3: 4 fields"),
        ("image_id,decision\na,keep\nb,keep\na,drop\n", "line 4, image_id 'a': expected one decision an image; line 2"),
        ("image_id,decision,label\na,keep,dog\n", "line 2, label 'dog': expected no label"),
        ("image_id,decision,sample\na,keep,random\n", "line 2, inclusion_prob '': expected the probability"),
        ("image_id,decision\n./a,keep\n", "line 2, image_id './a': expected an image of this run"),
    ],
)
def test_what_is_wrong_with_a_file_is_reported(text, message, path, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        import_decisions.import_csv(file, path, dataset(a="cat", b="dog"), "ann")
    assert not path.exists()


def test_an_import_speaks_about_the_findings_as_the_app_does(path, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("\ufeffimage_id,decision,label,rejected\na,keep,,\nb,relabel,cat,\nc,keep,,dark\nd,keep,,\n")
    issues = tables.frame(
        tables.ISSUES, check="mislabeled", image_id=["a", "b", "c"], score=[0.9] * 3, suggested_action="relabel",
        suggested_label="cat", evidence="Seen.",
    )  # fmt: skip
    rows = import_decisions.import_csv(file, path, dataset(a="cat", b="dog", c="dog", d="dog"), "ann", issues)
    assert rows["confirmed"].fillna("").tolist() == ["", "mislabeled", "", ""]
    assert rows["rejected"].fillna("").tolist() == ["mislabeled", "", "dark", ""]
