"""What an audit says first: ranked by what it does to accuracy, true in its numbers, whatever the counts."""

from __future__ import annotations

from typing import Any

import pandas as pd

from imageclinic.audit import runner
from imageclinic.audit.verdict import noise_words, ranking
from imageclinic.audit.verdict.causes import label_conflicts
from imageclinic.audit.verdict.line import Facts, Line, percent
from imageclinic.core import tables
from tests.parts import lacking


def facts(
    n: int = 1000,
    *,
    test: int = 0,
    leaked: int = 0,
    pairs: list[tuple[int, int]] | None = None,
    labels: list[str] | None = None,
    issues: list[tuple[str, int | None, str | None, float, str]] | None = None,
    noise: dict[str, Any] | None = None,
) -> Facts:
    """A dataset whose first `test` images are test, `leaked` of them copied into train, with findings
    (check, image, label, score, evidence)."""
    ids = [f"{i:04}.png" for i in range(n)]
    pairs = (pairs or []) + [(i, n - 1 - i) for i in range(leaked)]
    split = ["test" if i < test else "train" for i in range(n)] if test else [None] * n
    dataset = tables.frame(
        tables.DATASET,
        image_id=ids,
        label=labels or ["ab"[i % 2] for i in range(n)],
        split=split,
        bytes=[1] * n,
        mtime_ns=[0] * n,
    )
    neighbors = tables.frame(
        tables.NEIGHBORS,
        image_id=[ids[a] for a, _ in pairs],
        other_id=[ids[b] for _, b in pairs],
        kind=["bytes"] * len(pairs),
        distance=[0] * len(pairs),
        transform=["identity"] * len(pairs),
        similarity=[1.0] * len(pairs),
    )
    groups: dict[int, int] = {}
    for a, b in pairs:
        groups[a] = groups[b] = groups.get(a, a)
    clusters = tables.frame(
        tables.CLUSTERS,
        image_id=[ids[k] for k in groups],
        cluster=[ids[g] for g in groups.values()],
        split_group=[ids[g] for g in groups.values()],
    )
    rows = list(issues or [])
    for a, b in pairs[: leaked and len(pairs)]:
        rows += [("split_leakage", a, None, 1.0, "."), ("split_leakage", b, None, 1.0, ".")]
    found = tables.frame(
        tables.ISSUES,
        check=[r[0] for r in rows],
        image_id=[None if r[1] is None else ids[r[1]] for r in rows],
        label=[r[2] for r in rows],
        score=[r[3] for r in rows],
        suggested_action=["review"] * len(rows),
        evidence=[r[4] for r in rows],
    )
    names = set(found["check"])
    outcomes = [
        {"check": c, "outcome": "found" if c in names else "clean", "n_issues": int((found["check"] == c).sum())}
        for c in sorted(set(runner.load()) | names)
    ]
    frozen = tables.frame(
        tables.SPLIT_TABLE, image_id=ids, split=[s or ("test" if i % 10 == 0 else "train") for i, s in enumerate(split)]
    )
    return Facts(dataset, neighbors, clusters, frozen, found, outcomes, noise)


def causes(given: Facts) -> list[str]:
    return [line.cause for line in ranking.verdict(given)]


def line(given: Facts, cause: str) -> Line:
    return next(found for found in ranking.verdict(given) if found.cause == cause)


def test_a_test_set_that_is_all_in_train_comes_first_and_says_so() -> None:
    blurred = [("blurry", i, None, 0.9, "Soft.") for i in range(400, 800)]
    first = ranking.verdict(facts(1000, test=300, leaked=300, issues=blurred))[0]
    assert not lacking(first.sentence, "300 of 300 test images", "train")
    assert "means nothing" in first.consequence
    assert first.command.startswith("imageclinic decide RUN --accept split_leakage")
    assert first.severity == 1


def test_few_leaks_are_weighed_by_what_they_can_do() -> None:
    given = facts(1000, test=300, leaked=6)
    assert line(given, "leaks").severity == 0.02
    assert "up to 2 points" in line(given, "leaks").consequence


def test_severity_outranks_counts() -> None:
    text = "By width alone, a can be told from b: median 1 against 2; balanced accuracy 0.92 on images left out (…)."
    many = [("odd_size", i, None, 0.9, ".") for i in range(300)]
    given = facts(issues=[*many, ("shortcut", None, None, 0.84, text)])
    assert causes(given)[0] == "shortcuts"
    assert not lacking(line(given, "shortcuts").sentence, "width", "a ", " b ", "(balanced accuracy 0.92, chance 0.50)")
    assert "how the images were made" in line(given, "shortcuts").consequence


def test_conflicts_count_the_least_number_of_wrong_labels() -> None:
    labels = ["a"] * 100
    labels[1] = labels[11] = "b"
    conflicts = [("conflicting_label", i, None, 1.0, ".") for i in (0, 1, 2, 10, 11)]
    given = facts(100, pairs=[(0, 1), (0, 2), (10, 11)], labels=labels, issues=conflicts)
    assert label_conflicts.least_wrong(given) == 2, "one of three, one of two"
    assert "at least 2 labels are wrong" in line(given, "label_conflicts").sentence


def test_without_predictions_no_word_about_wrong_labels() -> None:
    assert "wrong_labels" not in causes(facts(issues=[("mislabeled", 0, None, 0.9, ".")]))


def noise(**changes: Any) -> dict[str, Any]:
    base = {"established": True, "low": 0.04, "high": 0.1, "accuracy": 0.8, "ceiling_low": None, "ceiling": None}
    return base | changes


def test_sentences_about_wrong_labels() -> None:
    words = noise_words.in_words
    assert not lacking(words(noise()), "4 to 10 % of the labels", "model-based")
    assert not lacking(words(noise(ceiling_low=0.9, ceiling=0.96)), "4 to 10 %", "perfect model", "90 to 96 %")
    weak = words(noise(established=False, low=0.0, accuracy=0.57))
    assert not lacking(weak, "can't tell", "57%", "up to 10 % of the labels")
    assert not lacking(words(noise(established=False, low=0.0, high=0.006)), "Hardly any", "at most")
    assert not lacking(words(noise(established=False, low=0.0, high=None)), "Too few images")
    assert "audit again" in words({"share": 0.117, "ceiling": 0.883, "by_split": {"test": 0.1}})


def test_what_can_not_be_known_weighs_little() -> None:
    flags = [("mislabeled", i, None, 0.9, ".") for i in range(100)]
    weak, sure = (
        line(facts(issues=flags, noise=noise(established=e, low=0.1, high=0.12)), "wrong_labels") for e in (False, True)
    )
    assert weak.severity < 0.01 < sure.severity


def test_many_labels_may_be_wrong_and_none_be_flagged() -> None:
    """As where two classes are mixed evenly: what can't be known is a line, for it may be the worst there is."""
    unknown = line(facts(noise=noise(established=False, low=0.0, high=0.45)), "wrong_labels")
    assert "up to 45 %" in unknown.sentence and "to look at" not in unknown.sentence
    assert "wrong_labels" not in causes(facts(noise=noise(established=False, low=0.0, high=0.05)))


def test_a_check_that_no_cause_knows_is_not_lost() -> None:
    assert line(facts(issues=[("brand_new", 3, None, 0.5, ".")]), "other_findings").sentence == "Brand new: 1 image"


def test_nothing_found_says_how_many_checks_looked() -> None:
    given = facts(5000)
    found = ranking.record(given)
    assert len(found) == 1
    assert found[0]["sentence"] == f"{len(runner.load())} checks found nothing in 5,000 images"
    blind = Facts(
        given.dataset,
        given.neighbors,
        given.clusters,
        given.splits,
        given.issues,
        [
            {"check": "dark", "outcome": "skipped", "n_issues": 0},
            {"check": "bright", "outcome": "clean", "n_issues": 0},
        ],
    )
    assert "1 check could not look" in ranking.record(blind)[0]["sentence"]


def test_a_dataset_without_splits_is_warned_of_copies() -> None:
    copies = [("exact_duplicate", i, None, 1.0, ".") for pair in ((0, 1), (2, 3)) for i in pair]
    given = facts(100, pairs=[(0, 1), (2, 3)], issues=copies)
    assert "in 2 groups" in line(given, "repeated_images").sentence
    assert "random split" in line(given, "repeated_images").consequence


def test_copies_that_are_leaks_are_reported_once() -> None:
    copies = [("exact_duplicate", i, None, 1.0, ".") for i in (0, 99)]
    assert "repeated_images" not in causes(facts(100, test=20, leaked=1, issues=copies))
    within = [*copies, ("exact_duplicate", 50, None, 1.0, "."), ("exact_duplicate", 51, None, 1.0, ".")]
    given = facts(100, test=20, leaked=1, pairs=[(50, 51)], issues=within)
    assert not lacking(line(given, "repeated_images").sentence, "2 images (2 %)", "copies", "1 group")


def test_percent() -> None:
    shares = [0, 0.00001, 0.006, 0.05, 0.117, 0.9, 0.996, 0.99999, 1]
    assert [percent(s) for s in shares] == [
        *("0 %", "less than 0.1 %", "0.6 %", "5 %", "12 %", "90 %", "99.6 %", "over 99.9 %", "100 %")
    ]


def test_hostile_names_do_not_break_the_shortcut_line() -> None:
    evil = "x can be told from the other 9 classes: y; balanced accuracy 0.11 on images left out"
    text = f"By format alone, {evil} can be told from b: PNG in 100%; balanced accuracy 1.00 on images left out (…)."
    given = facts(issues=[("shortcut", None, None, 1.0, text)])
    assert line(given, "shortcuts").sentence.endswith("can be told from b (balanced accuracy 1.00, chance 0.50)")


def test_frames_may_be_empty() -> None:
    empty = facts(0)
    assert isinstance(empty.issues, pd.DataFrame)
    assert len(ranking.record(empty)) == 1


def test_pictures_that_keras_shows_otherwise_have_a_consequence_and_a_remedy() -> None:
    """All of them black to a model outweighs that there are few images; a GIF's frames weigh little."""
    black = ranking.verdict(facts(100, issues=[("misread_by_keras", i, None, 1.0, ".") for i in range(100)]))[0]
    assert black.cause == "keras_loaders" and black.severity == 0.6
    assert "100 images" in black.sentence and "--reencode png" in black.command
    frames = ranking.verdict(facts(100, issues=[("misread_by_keras", i, None, 0.2, ".") for i in range(100)]))
    assert [round(line.severity, 6) for line in frames if line.cause == "keras_loaders"] == [0.12]


def test_names_that_stop_keras_that_it_skips_and_that_only_mislead() -> None:
    scores = [1.0] * 3 + [0.8] * 20 + [0.6] * 7
    given = facts(100, issues=[("wrong_extension", i, None, score, ".") for i, score in enumerate(scores)])
    by_cause = {line.cause: line for line in ranking.verdict(given)}
    assert "stop at 3 images, skip 20 images" in by_cause["keras_loaders"].sentence
    assert "(23 % of all)" in by_cause["keras_loaders"].sentence
    assert "7 files (7 %)" in by_cause["misleading_names"].sentence
    assert by_cause["keras_loaders"].severity > by_cause["misleading_names"].severity > 0


def test_a_class_of_which_nothing_is_read_is_counted() -> None:
    labels = ["c" if i < 5 else "ab"[i % 2] for i in range(100)]
    given = facts(100, labels=labels, issues=[("unreadable_here", i, None, 0.5, ".") for i in range(6)])
    line = next(line for line in ranking.verdict(given) if line.cause == "files_not_read_here")
    assert "6 files (6 %)" in line.sentence and "of 1 class none is read" in line.sentence


def test_one_class_comes_first() -> None:
    first = ranking.verdict(facts(40, labels=["cat"] * 40))[0]
    assert first.cause == "class_sizes" and "All 40 readable images" in first.sentence
