"""Shortcuts: planted ones are found and described, natural and random ones are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from imageclinic.audit.checks import shortcut
from imageclinic.audit.labels import separability
from imageclinic.core import tables
from imageclinic.core.errors import NotApplicable

N = 400


def dataset(labels: list[str], folders: list[str] | None = None, **columns: Any) -> dict[str, pd.DataFrame]:
    """Tables of readable images; properties that are not given are random."""
    n, rng = len(labels), np.random.default_rng(0)
    ids = [f"{folder}/{i:05}.jpg" for i, folder in enumerate(folders or labels)]
    random = {
        "bytes": rng.integers(1000, 2000, n),
        "width": rng.choice([500, 640], n),
        "height": rng.choice([375, 480], n),
        "format": rng.choice(["JPEG", "PNG"], n),
        "mode": ["RGB"] * n,
        "camera": [None] * n,
        **{name: rng.random(n) for name in ("luminance_mean", "contrast", "entropy", "sharpness", "colour")},
    } | columns
    given = {c.name for c in tables.DATASET.columns}
    files = {k: v for k, v in random.items() if k in given}
    pixels = {k: v for k, v in random.items() if k not in given}
    zeros = {c: [0] * n for c in (*(f"phash_{o}" for o in tables.ORIENTATIONS), "pixel_hash", "luminance_p05")}
    return {
        "dataset": tables.frame(tables.DATASET, image_id=ids, label=labels, mtime_ns=[0] * n, **files),
        "features": tables.frame(tables.FEATURES, image_id=ids, **zeros, luminance_p99=[1] * n, **pixels),
        "clusters": tables.empty(tables.CLUSTERS),
    }


def found(given: dict[str, pd.DataFrame], **options: Any) -> pd.DataFrame:
    return shortcut.find(given["dataset"], given["features"], given["clusters"], **options)


def classes(n: int, k: int) -> list[str]:
    return [f"class {i % k:02}" for i in range(n)]


def test_nothing_to_find() -> None:
    assert found(dataset(classes(N, 4))).empty


def test_one_class_in_another_format() -> None:
    labels = classes(1000, 20)
    odd = np.array(labels) == "class 07"
    result = found(dataset(labels, format=np.where(odd, "PNG", "JPEG")))
    assert result["label"].tolist() == ["class 07"]
    assert result["score"].tolist() == [1.0]
    assert result["evidence"][0].startswith(
        "By format alone, class 07 can be told from the other 19 classes: PNG in 100% against 0%; balanced accuracy "
        "1.00 on images left out (chance 0.50, p < 1e-12 over 12 properties); 0."
    )
    assert result["evidence"][0].endswith(" for naming the class (chance 0.05).")


def test_two_groups_of_classes_from_two_sources() -> None:
    labels = classes(1200, 30)
    second = np.array([int(name[-2:]) % 3 == 0 for name in labels])
    noisy = second ^ (np.random.default_rng(1).random(len(labels)) < 0.1)
    result = found(dataset(labels, camera=np.where(noisy, "Kodak DC", None)))
    assert result["label"].isna().tolist() == [True]
    assert result["score"].between(0.7, 0.9).all()
    assert "By camera alone, class 00, class 03, class 06 and 7 more can be told from" in result["evidence"][0]
    assert "Kodak DC in 9" in result["evidence"][0]


def test_a_class_in_the_middle_of_the_range() -> None:
    labels = classes(N, 4)
    value = np.where(np.array(labels) == "class 02", 0.5, np.random.default_rng(1).choice([0.1, 0.9], N))
    value = value + np.random.default_rng(2).normal(0, 0.03, N)
    result = found(dataset(labels, luminance_mean=np.clip(value, 0, 1)))
    assert result["label"].tolist() == ["class 02"]
    assert result["evidence"][0].startswith(
        "By brightness alone, class 02 can be told from the other 3 classes: median"
    )


def test_two_classes_by_file_size() -> None:
    labels = classes(60, 2)
    size = np.random.default_rng(1).normal(np.where(np.array(labels) == "class 00", 1000, 1400), 100, 60)
    result = found(dataset(labels, bytes=size.astype(int), width=[100] * 60, height=[100] * 60))
    assert len(result) == 1, "at one size, bytes per pixel is the same property"
    assert result["label"].isna().all()
    assert "By file size alone, class 00 can be told from class 01" in result["evidence"][0]
    assert "naming the class" not in result["evidence"][0]


def test_an_effect_must_be_large_and_not_only_significant() -> None:
    labels = classes(20_000, 2)
    shift = np.where(np.array(labels) == "class 00", 0.1, 0)
    given = dataset(labels, luminance_mean=np.random.default_rng(1).random(20_000) * 0.9 + shift)
    assert found(given).empty
    weak = found(given, min_accuracy=0.52)
    assert "p < 1e-12" in weak["evidence"][0]


def test_source_folders() -> None:
    labels = classes(N, 4)
    source = np.where(np.array(labels) == "class 01", "flickr", np.random.default_rng(1).choice(["web", "phone"], N))
    # One image from elsewhere in each class: else the folder would be taken for a sub-class.
    source[:4] = ["flickr", "web", "flickr", "flickr"]
    for folders in (
        [f"{label}/{s}" for label, s in zip(labels, source, strict=True)],
        [f"train/{s}/{label}" for label, s in zip(labels, source, strict=True)],
        [f"pictures/{s}" for s in source],
    ):
        result = found(dataset(labels, folders))
        assert result["label"].tolist() == ["class 01"]
        assert "flickr in 99% against 1%" in result["evidence"][0]


def test_folders_that_give_the_label_are_no_shortcut() -> None:
    labels = classes(N, 4)
    wordnet = [f"n{int(name[-2:]):08}" for name in labels]
    sub_classes = [f"{name}/kind {name[-1]}{i % 3}" for i, name in enumerate(labels)]
    for folders in (labels, [f"train/{name}" for name in labels], wordnet, sub_classes):
        assert found(dataset(labels, folders)).empty


def test_copies_do_not_vouch_for_each_other() -> None:
    labels = classes(N, 2)
    given = dataset(labels)
    ids = given["dataset"]["image_id"]
    # 12 pictures, 33 copies of each, whose brightness is random: by memory, it gives the class of every copy.
    picture = np.arange(N) % 12
    given["features"]["luminance_mean"] = np.random.default_rng(1).random(12)[picture].astype(np.float32)
    assert "By brightness alone" in found(given, min_images=6)["evidence"][0]
    given["clusters"] = tables.frame(
        tables.CLUSTERS, image_id=ids, cluster=None, split_group=[f"picture {p}" for p in picture]
    )
    assert found(given, min_images=6).empty


def test_small_classes_are_left_out() -> None:
    labels = ["tiny"] * 19 + ["a", "b"] * 50
    given = dataset(labels, luminance_mean=[0.99] * 19 + [0.5] * 100)
    assert found(given).empty
    assert found(given, min_images=19)["label"].tolist() == ["tiny"]
    for left in (["a"] * N, ["a"] * 100 + ["tiny"] * 19):
        with pytest.raises(NotApplicable, match=r"1 of \d+ classes have 20 or more images that are no copies"):
            found(dataset(left))


def test_it_does_not_depend_on_the_order_of_rows() -> None:
    labels = classes(N, 4)
    given = dataset(labels, camera=[f"camera {name}" if i % 5 else None for i, name in enumerate(labels)])
    mixed = {k: v.sample(frac=1, random_state=1, ignore_index=True) for k, v in given.items()}
    pd.testing.assert_frame_equal(found(given), found(mixed))
    assert len(found(given)) == 1


def test_it_does_not_depend_on_the_names_of_files() -> None:
    """Nor, then, on whether they lie in a folder or in an archive."""
    labels = classes(120, 2)
    second = np.array(labels) == "class 01"
    scores = set()
    for seed in range(4):
        light = np.clip(0.25 * second + 0.5 * np.random.default_rng(seed).random(120), 0, 1)
        given = dataset(labels, luminance_mean=light, sha256=[f"{i * 7919 % 1009:064}" for i in range(120)])
        names = np.random.default_rng(seed).permutation(given["dataset"]["image_id"])
        renamed = {"clusters": given["clusters"]}
        for table in ("dataset", "features"):
            renamed[table] = given[table].assign(image_id=names).sort_values("image_id", ignore_index=True)
        one, two = found(given, min_accuracy=0.6), found(renamed, min_accuracy=0.6)
        pd.testing.assert_frame_equal(one, two)
        scores |= {*one["score"]}
    assert len(scores) > 2


def test_a_frame_of_one_class_says_how_its_images_were_made() -> None:
    labels = classes(N, 4)
    framed = np.array(labels) == "class 02"
    width = np.where(framed & (np.arange(N) % 16 < 14), 0.2, 0) + np.where(np.arange(N) % 9 == 0, 0.05, 0)
    (evidence,) = found(dataset(labels, border=width))["evidence"]
    assert evidence.startswith("By border alone, class 02 can be told from the other 3 classes: median 0.20")
    assert shortcut.is_technical(evidence) and not shortcut.is_natural(shortcut.headline(evidence))
    quality = np.where(framed, 95.0, 75.0)
    (evidence,) = found(dataset(labels, jpeg_quality=pd.array(quality, dtype="Int64")))["evidence"]
    assert evidence.startswith("By JPEG quality alone, class 02") and "median 95 against 75" in evidence
    assert shortcut.is_technical(evidence) and "balanced accuracy 1.00" in shortcut.headline(evidence)


def test_shuffled_labels_raise_no_alarm() -> None:
    rng = np.random.default_rng(0)
    given = dataset(classes(120, 3), ["all"] * 120)
    kept = given["dataset"]
    for _ in range(40):
        given["dataset"] = kept.assign(label=rng.permutation(kept["label"].to_numpy(copy=True)))
        assert found(given).empty


@pytest.mark.parametrize(("n", "k", "skewed"), [(60, 2, False), (400, 2, True), (300, 10, False)])
def test_p_values_are_as_rare_as_they_say(n: int, k: int, skewed: bool) -> None:
    rng = np.random.default_rng(0)
    p = []
    for _ in range(400):
        labels = rng.permutation(np.arange(n) % k if not skewed else (np.arange(n) % 10 == 0).astype(int))
        codes = separability.number_codes(rng.random(n), separability.bins_for(n, k))
        p.append(separability.separation(codes, labels, rng.integers(0, 5, n), k).p)
    # At 5 % and 400 draws, 33 or more come up by chance once in 200 times.
    assert np.sum(np.array(p) < 0.05) < 33
    assert np.sum(np.array(p) < 0.5) > 100, "they are not merely large"


def test_separation_by_hand() -> None:
    # Bin 0 holds class 0 and bin 1 class 1 but for one image in ten.
    labels = np.tile([0, 1], 100)
    codes = labels ^ (np.arange(200) % 20 < 2)
    result = separability.separation(codes, labels, np.arange(200) // 2 % 5, 2)
    assert result.accuracy == pytest.approx(0.9)
    assert result.class_accuracy == pytest.approx(0.9)
    assert result.p < 1e-9
    assert result.group.tolist() in ([True, False], [False, True])


def test_number_codes() -> None:
    assert separability.number_codes([5, 5, 7, 9, 5], 4).tolist() == [0, 0, 1, 2, 0], "few values: a bin each"
    codes = separability.number_codes(np.random.default_rng(0).random(1000), 10)
    assert np.bincount(codes).tolist() == [100] * 10
    spike = np.r_[np.zeros(900), np.arange(1, 101)]
    assert separability.number_codes(spike, 10).tolist() == [0] * 900 + [1] * 100
    assert separability.number_codes([], 4).tolist() == []


def test_holm() -> None:
    assert separability.holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert separability.holm([0.9, 0.8]).tolist() == [1, 1]
    assert separability.holm([]).tolist() == []


def test_what_classes_may_show_by_nature_is_distinguished_from_how_images_were_made() -> None:
    labels = classes(N, 2)
    second = np.array(labels) == "class 01"
    spread = np.random.default_rng(3).random(N)

    def headline(**properties: Any) -> str:
        (evidence,) = found(dataset(labels, **properties))["evidence"]
        return shortcut.headline(evidence)

    assert shortcut.is_natural(headline(colour=0.3 * second + 0.5 * spread))
    assert not shortcut.is_natural(headline(colour=0.5 * second + 0.4 * spread))
    assert not shortcut.is_natural(headline(width=np.where(second & (spread > 0.2), 640, 500)))
