"""One contract for all checks, then one small case each."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import imageclinic
from imageclinic.audit import checks, runner
from imageclinic.audit.labels import noise_model
from imageclinic.audit.scan import decode
from imageclinic.cleaning.decisions import priority
from imageclinic.core import tables
from imageclinic.core.errors import InputError, NotApplicable

CHECKS = runner.load()
NEEDED = (
    "corrupted wrong_extension exact_duplicate near_duplicate conflicting_label split_leakage class_imbalance "
    "too_few_images dark bright blurry low_information grayscale odd_aspect_ratio odd_size mislabeled outlier "
    "overlapping_classes shortcut exif_orientation split_shift split_properties look_alike_classes"
).split()


def inputs(n: int = 60, seed: int = 0) -> dict[str, Any]:
    """Random but valid tables with something in them for every check."""
    rng = np.random.default_rng(seed)
    ids = [f"{'ab'[i % 2]}/{i:03}.jpg" for i in range(n)]
    labels = ["c" if i in (30, 32) else "b " if i == 7 else "ab"[i % 2] for i in range(n)]
    bad = [i == 7 for i in range(n)]
    dataset = tables.frame(
        tables.DATASET,
        image_id=ids,
        label=labels,
        split=["test" if i % 5 == 0 else "train" for i in range(n)],
        group=[None] * n,
        bytes=rng.integers(100, 1000, n),
        mtime_ns=[0] * n,
        sha256=[f"{i:064}" for i in range(n)],
        format=["PNG" if i == 5 else "JPEG" for i in range(n)],
        width=[None if b else 2000 if i == 8 else 100 for i, b in enumerate(bad)],
        height=[None if b else 500 if i == 9 else 100 for i, b in enumerate(bad)],
        mode=["RGB"] * n,
        read_error=[
            "truncated: end of file" if b else "unsupported: DICOM" if i == 14 else None for i, b in enumerate(bad)
        ],
    )
    readable = [i for i in ids if i != ids[7 % max(n, 1)]] if n > 7 else ids
    m = len(readable)
    features = tables.frame(
        tables.FEATURES,
        image_id=readable,
        **{f"phash_{o}": rng.integers(0, 2**63, m, dtype=np.uint64) for o in tables.ORIENTATIONS},
        pixel_hash=rng.integers(0, 2**63, m, dtype=np.uint64),
        luminance_mean=[0.3 + 0.4 * (i[0] == "b") + rng.uniform(0, 0.2) for i in readable],
        luminance_p05=np.where(np.arange(m) == 1, 0.99, 0.1),
        luminance_p99=np.where(np.arange(m) == 2, 0.1, 0.9),
        contrast=np.where(np.arange(m) == 3, 0.02, rng.uniform(0.1, 0.2, m)),
        entropy=np.where(np.arange(m) == 3, 0.5, 7),
        sharpness=np.where(np.arange(m) == 4, 0.001, rng.uniform(0.2, 0.3, m)),
        colour=np.where(np.arange(m) == 6, 0.0, 0.5),
        exif_orientation=[{10: 6, 11: 1}.get(i) for i in range(m)],
        transparent=np.arange(m) == 15,
        keras_difference=[{15: 0.9, 16: 0.001}.get(i) for i in range(m)],
        keras_luminance_mean=[{15: 0.0}.get(i) for i in range(m)],
        keras_luminance_p99=[{15: 0.0}.get(i) for i in range(m)],
        keras_entropy=[{15: 0.0}.get(i) for i in range(m)],
    )
    pairs = [(0, 1, "bytes", 1.0), (2, 4, "pixels", 1.0), (3, 5, "near", 0.9)] if n else []
    neighbors = tables.frame(
        tables.NEIGHBORS,
        image_id=[min(ids[a], ids[b]) for a, b, *_ in pairs],
        other_id=[max(ids[a], ids[b]) for a, b, *_ in pairs],
        kind=[p[2] for p in pairs],
        distance=[0] * len(pairs),
        transform=["flip" if p[2] == "near" else "identity" for p in pairs],
        similarity=[p[3] for p in pairs],
    )
    members = sorted({ids[k] for p in pairs for k in p[:2]})
    names = {ids[k]: min(ids[a], ids[b]) for a, b, *_ in pairs for k in (a, b)}
    clusters = tables.frame(
        tables.CLUSTERS,
        image_id=members,
        cluster=[names[m] for m in members],
        split_group=[names[m] for m in members],
    )
    code = np.array([{"a": 0, "b": 1, "c": 2}[labels[ids.index(i)]] for i in readable], dtype=int)
    probs = np.where(code[:, None] == [0, 1, 2], 0.9, 0.1) + rng.uniform(-0.05, 0.05, (m, 3))
    probs[10:12, :2] = probs[10:12, 1::-1]
    probs = (probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
    vectors = rng.normal(0, 0.1, (m, 8)) + np.where(code[:, None] == 0, 1, -1)
    if m > 20:
        vectors[20] = [9, -9] * 4
    rows = pd.DataFrame(
        {
            "image_id": pd.Series(readable, dtype="str"),
            "fold": [0] * m,
            "label_quality": np.where(probs[np.arange(m), code] < 0.5, 0.02, 0.98),
        }
    )
    said = [(i, who, label) for i, label in zip(ids, labels, strict=True) for who, label in (("x", label), ("y", "a"))]
    annotations = tables.frame(
        tables.ANNOTATIONS,
        image_id=[row[0] for row in said],
        annotator=[row[1] for row in said],
        label=[row[2] for row in said],
    )
    consensus = tables.frame(
        tables.CONSENSUS,
        image_id=ids,
        label=labels,
        likeliest=["a" if i == 31 else label for i, label in enumerate(labels)],
        probability=[0.9] * n,
        wrong=[{30: 0.4, 31: 0.9}.get(i, 0.02) for i in range(n)],
        labels=[2] * n,
        agreeing=[1] * n,
        ask=["z" if i == 31 else None for i in range(n)],
    )
    return {
        "dataset": dataset,
        "features": features,
        "neighbors": neighbors,
        "clusters": clusters,
        "annotations": annotations,
        "consensus": consensus,
        "embeddings": tables.Embeddings(pd.Series(readable), vectors.astype(np.float32)),
        "predictions": tables.Predictions(rows, probs, ("a", "b", "c")),
    }


def find(name: str, tables_in: dict[str, Any], **options: Any) -> pd.DataFrame:
    check = CHECKS[name]
    found = check.find(*(tables_in[i] for i in check.inputs), **options)
    return tables.validate(found.assign(check=name), tables.ISSUES)


def case(name: str) -> dict[str, Any]:
    """Tables in which a check finds something; comparing splits takes more images, mirrored and dark ones in test."""
    if name not in ("split_shift", "split_properties"):
        return inputs()
    given = inputs(600)
    of_test = given["features"]["image_id"].isin(given["dataset"].query("split == 'test'")["image_id"])
    dark = given["features"]["luminance_mean"].where(~of_test, 0.01)
    given |= {"features": given["features"].assign(luminance_mean=dark)}
    test = given["embeddings"].image_id.isin(given["dataset"].loc[given["dataset"]["split"] == "test", "image_id"])
    vectors = np.where(test.to_numpy()[:, None], -1, 1) * given["embeddings"].vectors
    return given | {"embeddings": tables.Embeddings(given["embeddings"].image_id, vectors.astype(np.float32))}


def shuffled(given: dict[str, Any], seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    mixed = {
        k: v.sample(frac=1, random_state=seed, ignore_index=True) for k, v in given.items() if hasattr(v, "sample")
    }
    order = rng.permutation(len(given["embeddings"].image_id))
    embeddings, predictions = given["embeddings"], given["predictions"]
    mixed["embeddings"] = tables.Embeddings(
        embeddings.image_id.iloc[order].reset_index(drop=True), embeddings.vectors[order]
    )
    mixed["predictions"] = tables.Predictions(
        predictions.rows.iloc[order].reset_index(drop=True), predictions.pred_probs[order], predictions.classes
    )
    return mixed


def canonical(found: pd.DataFrame) -> pd.DataFrame:
    return found.sort_values(["image_id", "label", "evidence"], ignore_index=True).round({"score": 6})


def test_all_checks_of_the_design_are_there() -> None:
    assert set(NEEDED) <= set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
class TestContract:
    def test_it_finds_something_and_scores_are_in_range(self, name: str) -> None:
        found = find(name, case(name))
        assert len(found), "the tables hold a case for every check"
        assert not (found["image_id"].notna() & found["label"].notna()).any()
        assert found["evidence"].str.endswith(".").all()
        assert not found["image_id"].dropna().duplicated().any()

    def test_same_input_same_output(self, name: str) -> None:
        pd.testing.assert_frame_equal(find(name, case(name)), find(name, case(name)))

    def test_row_order_does_not_matter(self, name: str) -> None:
        pd.testing.assert_frame_equal(canonical(find(name, case(name))), canonical(find(name, shuffled(case(name), 1))))

    def test_inputs_are_left_alone(self, name: str) -> None:
        given, kept = case(name), case(name)
        find(name, given)
        for key, table in kept.items():
            if isinstance(table, pd.DataFrame):
                pd.testing.assert_frame_equal(given[key], table)
        assert np.array_equal(given["embeddings"].vectors, kept["embeddings"].vectors)
        assert np.array_equal(given["predictions"].pred_probs, kept["predictions"].pred_probs)

    def test_empty_tables(self, name: str) -> None:
        try:
            assert find(name, inputs(0)).empty
        except NotApplicable as reason:
            assert str(reason)

    def test_it_is_documented(self, name: str) -> None:
        check = CHECKS[name]
        for part in ("Why it matters:", "What to do:", "Score:"):
            assert part in check.help or part.lower() in check.help.lower(), f"{part} is missing"
        assert len(check.summary) < 200
        for option in check.options:
            assert f"`{option}`" in check.help or option in check.help, f"option {option} is not explained"
        assert all(
            p.annotation is not inspect.Parameter.empty for p in inspect.signature(check.find).parameters.values()
        )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("corrupted", {"b/007.jpg"}),
        ("wrong_extension", {"b/005.jpg"}),
        ("exact_duplicate", {"a/000.jpg", "b/001.jpg", "a/002.jpg", "a/004.jpg"}),
        ("near_duplicate", {"b/003.jpg", "b/005.jpg"}),
        ("conflicting_label", {"a/000.jpg", "b/001.jpg"}),
        ("split_leakage", {"a/000.jpg", "b/001.jpg", "b/003.jpg", "b/005.jpg"}),
        ("bright", {"b/001.jpg"}),
        ("dark", {"a/002.jpg"}),
        ("low_information", {"b/003.jpg"}),
        ("blurry", {"a/004.jpg"}),
        ("grayscale", {"a/006.jpg"}),
        ("odd_size", {"a/008.jpg", "b/009.jpg"}),
        ("odd_aspect_ratio", {"a/008.jpg", "b/009.jpg"}),
        ("outlier", {"b/021.jpg"}),
        ("exif_orientation", {"b/011.jpg"}),
        ("look_alike_classes", {"b/007.jpg"}),
        ("misread_by_keras", {"a/016.jpg"}),
        ("unreadable_here", {"a/014.jpg"}),
        ("annotator_disagreement", {"a/030.jpg", "b/031.jpg"}),
    ],
)
def test_what_is_found(name: str, expected: set[str]) -> None:
    assert set(find(name, inputs())["image_id"]) == expected


def test_every_kind_of_damage_is_distinguished() -> None:
    errors = [f"{kind}: so it is" for kind in decode.KINDS]
    n = len(errors)
    ids = [f"{i:02}" for i in range(n)]
    dataset = tables.frame(tables.DATASET, image_id=ids, bytes=[0] * n, mtime_ns=[0] * n, read_error=errors)
    kind_of = dict(zip(ids, decode.KINDS, strict=True))
    worst_first = {
        "corrupted": [
            "empty file",
            "not an image",
            "header only",
            "truncated",
            "damaged stream",
            "crashes the decoder",
            "hangs the decoder",
        ],
        "unreadable_here": ["file is missing", "can't be read", "unsupported", "too large", "not judged"],
    }
    for name, kinds in worst_first.items():
        found = find(name, {"dataset": dataset})
        assert [kind_of[i] for i in found.sort_values("score", ascending=False, kind="stable")["image_id"]] == kinds
        assert set(found["suggested_action"]) == {"drop" if name == "corrupted" else "review"}
        for kind, evidence in zip(found["image_id"].map(kind_of), found["evidence"], strict=True):
            assert f"`{kind}`" in CHECKS[name].help
            assert evidence.startswith(f"{kind[0].upper()}{kind[1:]}: so it is; ")


def test_an_unknown_read_error_is_reported_too() -> None:
    dataset = tables.frame(tables.DATASET, image_id=["a"], bytes=[0], mtime_ns=[0], read_error=["odd."])
    found = find("corrupted", {"dataset": dataset})
    assert found["evidence"].tolist() == ["Odd; fetch it again, or drop it."]


def test_what_keras_misreads_says_both() -> None:
    found = find("misread_by_keras", inputs())
    assert found["score"].tolist() == [1.0]
    assert (
        found["evidence"].str.contains("mean brightness 0.00 to Keras and 0.* to a person: one colour all over").all()
    )
    assert found["evidence"].str.endswith("`imageclinic export --reencode png` writes what a person sees.").all()


def test_deep_images_are_dark_beside_others_only() -> None:
    given = inputs()
    n = len(given["features"])
    given["dataset"]["mode"] = "I;16"
    # 12 bits in 16 of which 1,000 values are used: a quarter of the range, in all but one, which has a tenth of that.
    tops = np.where(np.arange(n) == 20, 100.0, 1000.0)
    given["features"] = given["features"].assign(
        value_low=0.0, value_high=np.where(np.arange(n) == 20, 1100.0, 1100.0), luminance_p99=(tops / 4095).astype("f4")
    )
    assert find("dark", given)["image_id"].tolist() == [given["features"]["image_id"][20]]


def test_exif_orientation_says_how_the_picture_lies() -> None:
    given = inputs(20)
    given["features"]["exif_orientation"] = pd.array([None, *range(1, 9), *[1] * 10], dtype="Int64")
    found = find("exif_orientation", given).set_index("image_id")
    lying = dict(zip(given["features"]["image_id"], given["features"]["exif_orientation"], strict=True))
    assert sorted(lying[i] for i in found.index) == [2, 3, 4, 5, 6, 7, 8]
    assert {lying[i]: score for i, score in found["score"].items()}[2] == 0.5
    quarter_turns = found["evidence"].str.contains("on its side")
    assert {lying[i] for i in found.index[quarter_turns]} == {5, 6, 7, 8}


def test_mislabeled_suggests_the_other_class() -> None:
    found = find("mislabeled", inputs()).set_index("image_id")
    assert set(found.index) == {"b/011.jpg", "a/012.jpg"}
    assert found.loc["b/011.jpg", "suggested_label"] == "a"
    assert found.loc["b/011.jpg", "suggested_action"] == "relabel"
    assert found["score"].gt(0.8).all()


def test_what_is_only_known_not_to_be_its_class_scores_lower() -> None:
    classes, n = ("a", "b", "c"), 300
    codes = np.arange(n) % 3
    probs = np.full((n, 3), 0.005) + 0.985 * np.eye(3)[codes]
    given = codes.copy()
    given[[0, 5, 6]] = 1  # images of a, c and a, labelled b: models know the first two, and not what the third is
    probs[6] = (0.5, 0.002, 0.498)
    ids = pd.Series([f"{i:03}.jpg" for i in range(n)], dtype="str")
    label = pd.Series(np.array(classes)[given], dtype="str")
    dataset = pd.DataFrame({"image_id": ids, "label": label, "split": pd.Series([None] * n, dtype="str")})
    noise = noise_model.fit(given, probs.astype(np.float32), dataset["split"])
    rows = pd.DataFrame({"image_id": ids, "fold": 0, "label_quality": 1 - noise.wrong})
    predictions = tables.Predictions(rows, probs.astype(np.float32), classes)
    found = CHECKS["mislabeled"].find(dataset, predictions).set_index("image_id")
    assert set(found.index) == {"000.jpg", "005.jpg", "006.jpg"}
    assert found["suggested_label"].to_dict() == {"000.jpg": "a", "005.jpg": "c", "006.jpg": "a"}
    clear, unclear = found.loc["000.jpg"], found.loc["006.jpg"]
    assert noise.wrong[6] > 0.9, "its label is doubted as much"
    assert clear["score"] > 0.9 and 0.4 < unclear["score"] < 0.75
    assert "less clear" in unclear["evidence"] and "less clear" not in clear["evidence"]


def test_overlapping_classes_name_both() -> None:
    found = find("overlapping_classes", inputs())
    assert found[["label", "suggested_label"]].values.tolist() == [["a", "b"]]
    assert "About 2 images of a and b" in found["evidence"][0]
    assert find("overlapping_classes", inputs(), min_share=0.5).empty


def test_class_imbalance_names_the_small_class() -> None:
    assert find("class_imbalance", inputs())["label"].tolist() == ["c"]


def test_conflict_suggests_the_majority() -> None:
    given = inputs()
    given["neighbors"] = tables.frame(
        tables.NEIGHBORS,
        image_id=["a/000.jpg", "a/000.jpg", "a/002.jpg"],
        other_id=["a/002.jpg", "b/001.jpg", "b/001.jpg"],
        kind=["bytes"] * 3,
        distance=[0] * 3,
        transform=["identity"] * 3,
        similarity=[1.0] * 3,
    )
    found = find("conflicting_label", given).set_index("image_id")["suggested_label"]
    assert found.fillna("none").to_dict() == {"a/000.jpg": "none", "a/002.jpg": "none", "b/001.jpg": "a"}


def turned(given: dict[str, Any], pairs: list[tuple[str, str]], **columns: object) -> dict[str, Any]:
    """The inputs with mirrored near copies."""
    made = {"kind": "near", "distance": 2, "transform": "flip", "similarity": 0.9, "difference": 0.3, **columns}
    one, other = zip(*pairs, strict=True)
    repeated = {name: [value] * len(pairs) for name, value in made.items()}
    return {**given, "neighbors": tables.frame(tables.NEIGHBORS, image_id=one, other_id=other, **repeated)}


def test_mirrored_copies_conflict_only_where_classes_do_not_mind() -> None:
    """Left and right may be classes: three mirrored pairs within the classes, and few between them, say otherwise."""
    across = [("a/000.jpg", "b/001.jpg")]
    given = turned(inputs(), across)
    assert find("conflicting_label", given).empty
    named = find("near_duplicate", given)["evidence"].tolist()
    assert all("mirrored and labelled" in evidence for evidence in named), named
    labels = given["dataset"].set_index("image_id")["label"]
    a = labels.index[labels.eq("a")][2:8].tolist()
    within = list(zip(a[::2], a[1::2], strict=True))
    found = find("conflicting_label", turned(inputs(), across + within))
    assert found["image_id"].tolist() == ["a/000.jpg", "b/001.jpg"]
    assert "its copy b/001.jpg, mirrored, is labelled b" in found["evidence"][0]
    b = labels.index[labels.eq("b")][1:4].tolist()
    many = across + within + list(zip(a[:3], b, strict=True))
    assert find("conflicting_label", turned(inputs(), many)).empty, "the mirror may be the class"


def test_copies_that_differ_in_one_place_are_no_conflict() -> None:
    across = [("a/000.jpg", "b/001.jpg")]
    for difference, found in ((0.8, 2), (1.4, 0), (None, 2)):
        given = turned(inputs(), across, transform="identity", difference=difference)
        assert len(find("conflicting_label", given)) == found
        assert len(find("near_duplicate", given)) == 2


def test_not_applicable_says_why() -> None:
    given = inputs()
    given["dataset"] = given["dataset"].assign(split=None).astype({"split": "str"})
    given["features"] = given["features"].assign(colour=np.float32(0))
    _, outcomes = runner.run({n: CHECKS[n] for n in ("split_leakage", "grayscale")}, [], given, {}, {})
    assert [o["outcome"] for o in outcomes] == ["not_applicable"] * 2
    assert [o["reason"] for o in outcomes] == [
        "59 of 59 images are grey: it is a grey dataset",
        "the dataset came without splits; those that the audit draws keep copies together",
    ]


def test_runner_records_every_check_once() -> None:
    def explode(dataset: pd.DataFrame) -> pd.DataFrame:
        raise RuntimeError("boom")

    chosen, skipped = runner.select(skip=["dark"])
    chosen = {**chosen, "bright": runner.Check("bright", explode, 1, ("images",))}
    given = inputs()
    del given["predictions"], given["embeddings"]
    issues, outcomes = runner.run(
        chosen, skipped, given, {"predictions": "one class only"}, {"embeddings": "Traceback: no memory"}
    )
    by_name = {o["check"]: o for o in outcomes}
    assert list(by_name) == sorted(CHECKS)
    assert by_name["bright"]["outcome"] == "failed"
    assert "RuntimeError: boom" in by_name["bright"]["reason"]
    assert by_name["dark"]["outcome"] == "skipped"
    assert by_name["mislabeled"] | {"seconds": 0} == {
        "check": "mislabeled",
        "outcome": "not_applicable",
        "n_issues": 0,
        "reason": "one class only",
        "seconds": 0,
        "options": {"filter_by": CHECKS["mislabeled"].options["filter_by"]},
    }
    assert by_name["outlier"]["outcome"] == "failed"
    assert set(issues["check"]) == {n for n, o in by_name.items() if o["outcome"] == "found"}


def test_a_check_that_flags_a_fifth_says_so() -> None:
    given = inputs()
    given["features"].loc[:19, "luminance_p05"] = 0.99
    _, outcomes = runner.run({"bright": CHECKS["bright"]}, [], given, {}, {})
    assert outcomes[0]["n_issues"] == 20
    assert outcomes[0]["reason"].endswith("that says more about the dataset than about single images")


@pytest.mark.parametrize(("name", "column", "value"), [("bright", "luminance_p05", 1), ("dark", "luminance_p99", 0.2)])
def test_what_most_images_are_is_no_fault(name: str, column: str, value: float) -> None:
    given = inputs()
    given["features"].loc[:29, column] = value
    with pytest.raises(NotApplicable, match=rf"of 59 images are {name}: it is a {name} dataset"):
        find(name, given)


def test_plain_pictures_are_judged_by_their_like() -> None:
    given = inputs()
    given["features"]["entropy"] = np.where(np.arange(59) == 3, np.float32(0.9), np.float32(2))
    found = find("low_information", given)
    assert found["evidence"].tolist() == ["The grey values hold 0.90 bits (limit 1) and vary by 0.020 (limit 0.05)."]
    assert found["score"].tolist() == pytest.approx([0.1], abs=1e-6)


def test_drawings_are_not_blank() -> None:
    given = inputs()
    given["features"]["entropy"] = np.where(np.arange(59) < 20, np.float32(1.5), np.float32(7))
    assert find("low_information", given)["image_id"].tolist() == ["b/003.jpg"], "dark lines on white vary"


@pytest.mark.parametrize("name", ["odd_size", "odd_aspect_ratio", "grayscale"])
def test_a_second_kind_of_image_is_one_finding(name: str) -> None:
    n = 400
    rng = np.random.default_rng(0)
    few, many = np.arange(n) < 4, np.arange(n) < 40
    for odd, expected in ((few, 4), (many, 1)):
        dataset = tables.frame(
            tables.DATASET,
            image_id=[f"{i:03}" for i in range(n)],
            bytes=[1] * n,
            mtime_ns=[0] * n,
            width=np.where(odd, 900, 100),
            height=[100] * n,
        )
        zeros = {c.name: [0] * n for c in tables.FEATURES.columns if not c.nullable and c.name != "image_id"}
        features = tables.frame(
            tables.FEATURES,
            image_id=dataset["image_id"],
            **zeros | {"contrast": rng.uniform(0.1, 0.2, n), "colour": np.where(odd, 0.0, 0.5)},
        )
        found = find(name, {"dataset": dataset, "features": features})
        assert len(found) == expected
        assert found["image_id"].isna().all() == (expected == 1)


def test_many_small_classes_are_one_finding() -> None:
    n = 300
    dataset = tables.frame(
        tables.DATASET,
        image_id=[f"{i:03}" for i in range(n)],
        label=[f"{i % 30:02}" for i in range(n)],
        bytes=[1] * n,
        mtime_ns=[0] * n,
    )
    found = find("too_few_images", {"dataset": dataset})
    assert found["evidence"].tolist() == ["30 of 30 classes have under 1,000 images: 10 in the median, 10 in 00."]
    assert found["label"].isna().all()


def test_blank_pictures_are_not_called_grey() -> None:
    given = inputs()
    given["features"].loc[7:8, ["colour", "contrast"]] = [[0, 0.001], [0, 0.1]]
    assert set(find("grayscale", given)["image_id"]) == {"a/006.jpg", "b/009.jpg"}


def test_mixed_orientations_do_not_hide_odd_shapes() -> None:
    sizes = [(640, 480), (480, 640), (500, 500), (600, 400)] * 10 + [(640, 130), (130, 640)]
    ids = [f"{i:02}" for i in range(len(sizes))]
    width, height = zip(*sizes, strict=True)
    n = len(ids)
    dataset = tables.frame(tables.DATASET, image_id=ids, bytes=[1] * n, mtime_ns=[0] * n, width=width, height=height)
    found = find("odd_aspect_ratio", {"dataset": dataset})
    assert found["image_id"].tolist() == ["40", "41"]
    assert found["evidence"][1] == ("130×640 pixels: 4.92 times as long as it is short; the dataset's median is 1.33.")
    lines = dataset.assign(width=[600] * 40 + [20, 20], height=20)
    assert find("odd_aspect_ratio", {"dataset": lines})["image_id"].tolist() == [
        "40",
        "41",
    ]


def test_options_are_typed_and_checked() -> None:
    assert runner.parse_options(["dark.threshold=0.2", "wrong_extension.keras=false", "outlier.neighbours=3"]) == {
        "dark": {"threshold": 0.2},
        "wrong_extension": {"keras": False},
        "outlier": {"neighbours": 3},
    }
    for bad, message in {
        "drak.threshold=1": "there is no check 'drak'. Expected one of annotator_disagreement, blurry",
        "dark.treshold=1": r"check dark has no option 'treshold'. Expected threshold \(default 0.32\)",
        "dark.threshold=x": "Expected a value of type float",
        "dark": "Expected CHECK.OPTION=VALUE",
    }.items():
        with pytest.raises(InputError, match=message):
            runner.parse_options([bad])
    with pytest.raises(InputError, match="there is no check 'x'"):
        runner.select(only=["x"])


def test_a_check_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written into the folder it is found, explained, run, and takes its place among the others; nothing else knows."""
    (tmp_path / "upside_down.py").write_text(
        '''"""Images that stand on their heads."""

import pandas as pd

from imageclinic.audit.issue_rows import findings

URGENCY = 15
ABOUT = ("images",)


def find(dataset: pd.DataFrame, *, most: int = 2) -> pd.DataFrame:
    """Images that stand on their heads."""
    return findings(
        image_id=dataset["image_id"].head(most),
        score=[0.5] * most,
        suggested_action=["review"] * most,
        evidence=["Its sky is below."] * most,
    )
'''
    )
    monkeypatch.setattr(checks, "__path__", [*checks.__path__, str(tmp_path)])
    runner.load.cache_clear()
    try:
        chosen, _ = runner.select(["upside_down"])
        issues, _ = runner.run(chosen, [], inputs(), {}, {}, runner.parse_options(["upside_down.most=3"]))
        assert issues["check"].tolist() == ["upside_down"] * 3
        assert runner.ordered(["mislabeled", "upside_down", "conflicting_label", "unheard_of"]) == [
            "conflicting_label", "upside_down", "mislabeled", "unheard_of",
        ]  # fmt: skip
        assert imageclinic.explain("upside_down")["help"].item() == "Images that stand on their heads."
        assert [len(priority.per_image(issues)), priority.scores(issues).columns.tolist()] == [3, ["upside_down"]]
    finally:
        monkeypatch.undo()
        runner.load.cache_clear()
        sys.modules.pop("imageclinic.audit.checks.upside_down")
