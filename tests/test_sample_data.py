"""The sample dataset: its script makes these pictures, and planted.csv states the truth about them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from imageclinic import sample_data
from imageclinic.sample_data.make import COLUMNS, STARVED_TRAIN, make
from imageclinic.sample_data.planted_faults import STARVED

ON_IMAGES = (
    *(
        "corrupted",
        "wrong_extension",
        "exact_duplicate",
        "near_duplicate",
        "conflicting_label",
        "split_leakage",
    ),
    *("mislabeled", "outlier", "dark", "bright", "blurry", "low_information", "grayscale"),
    *("odd_aspect_ratio", "odd_size"),
)


@pytest.fixture(scope="module")
def planted() -> pd.DataFrame:
    return pd.read_csv(sample_data.PLANTED, dtype="str")


def images(root: Path) -> dict[str, Path]:
    return {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=int)


def of_kind(planted: pd.DataFrame, check: str, *kinds: str) -> pd.DataFrame:
    rows = planted[(planted["check"] == check) & planted["kind"].isin(kinds)]
    assert len(rows)
    return rows


@pytest.mark.slow
def test_the_script_makes_the_same_pixels(tmp_path: Path, planted: pd.DataFrame) -> None:
    again = make(tmp_path)
    pd.testing.assert_frame_equal(again, planted)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "planted.csv", dtype="str"), planted)
    here, there = images(sample_data.IMAGES), images(tmp_path / "digits")
    assert here.keys() == there.keys()
    damaged = set(planted.loc[planted["check"] == "corrupted", "image_id"])
    for image_id in here.keys() - damaged:
        # Codecs differ a little from release to release; pictures of two digits differ by far more.
        np.testing.assert_allclose(pixels(here[image_id]), pixels(there[image_id]), atol=6, err_msg=image_id)


def test_another_seed_makes_other_pictures_and_nothing_is_overwritten(tmp_path: Path) -> None:
    other = make(tmp_path, seed=1)
    assert set(other["image_id"].dropna()) != set(pd.read_csv(sample_data.PLANTED)["image_id"].dropna())
    with pytest.raises(FileExistsError, match="delete it first"):
        make(tmp_path, seed=1)


def test_small_enough_for_a_repository() -> None:
    files = [*images(sample_data.IMAGES).values(), sample_data.PLANTED]
    assert sum(path.stat().st_size for path in files) < 3_000_000


def test_names_tell_nothing() -> None:
    names = list(images(sample_data.IMAGES))
    assert all(re.fullmatch(r"(train|test)/\d/digit_\d{4}\.(jpg|png)", name) for name in names)
    numbers = sorted(int(name[-8:-4]) for name in names)
    assert numbers == list(range(1, len(names) + 1))


def test_planted_refers_to_files_and_states_their_labels(planted: pd.DataFrame) -> None:
    assert tuple(planted.columns) == COLUMNS
    assert not planted.duplicated(["image_id", "check", "label"]).any()
    known = images(sample_data.IMAGES).keys()
    assert set(planted["image_id"].dropna()) <= known
    assert set(planted["source_id"].dropna()) <= known
    of_images = planted.dropna(subset=["image_id"])
    assert (of_images["image_id"].str.split("/").str[1] == of_images["label"]).all()


@pytest.mark.parametrize("check", ON_IMAGES)
def test_every_kind_of_fault_is_there(planted: pd.DataFrame, check: str) -> None:
    assert (planted["check"] == check).sum() >= 8
    assert planted.loc[planted["check"] == check, "image_id"].notna().all()


def test_one_class_is_starved(planted: pd.DataFrame) -> None:
    rows = planted[planted["kind"] == "starved_class"]
    assert set(rows["check"]) == {"class_imbalance", "too_few_images"}
    assert set(rows["label"]) == {STARVED}
    assert rows["image_id"].isna().all()
    counts = Counter(name.split("/")[1] for name in images(sample_data.IMAGES) if name.startswith("train/"))
    assert counts.pop(STARVED) == STARVED_TRAIN
    assert min(counts.values()) > 4 * STARVED_TRAIN


def test_faults_do_not_overlap(planted: pd.DataFrame) -> None:
    kinds = planted.dropna(subset=["image_id"]).groupby("image_id")["kind"].nunique()
    assert kinds.max() == 1


def test_mislabeled_images_carry_another_label_than_the_true_one(planted: pd.DataFrame) -> None:
    rows = planted[planted["check"] == "mislabeled"]
    assert (rows["true_label"] != rows["label"]).all()
    in_train = rows["image_id"].str.startswith("train/").sum()
    n_train = sum(name.startswith("train/") for name in images(sample_data.IMAGES))
    assert 0.03 < in_train / n_train < 0.06


def test_exact_copies_are_what_they_say(planted: pd.DataFrame) -> None:
    root = sample_data.IMAGES
    rows = of_kind(planted, "exact_duplicate", "same_bytes", "conflict_same_bytes", "across_same_bytes")
    for image_id, source_id in zip(rows["image_id"], rows["source_id"], strict=True):
        assert (root / image_id).read_bytes() == (root / source_id).read_bytes()
    rows = of_kind(planted, "exact_duplicate", "same_pixels")
    for image_id, source_id in zip(rows["image_id"], rows["source_id"], strict=True):
        assert (root / image_id).read_bytes() != (root / source_id).read_bytes()
        np.testing.assert_array_equal(pixels(root / image_id), pixels(root / source_id))


def test_pairs_are_listed_from_both_sides(planted: pd.DataFrame) -> None:
    rows = planted[planted["check"].isin(["exact_duplicate", "near_duplicate", "conflicting_label", "split_leakage"])]
    pairs = set(zip(rows["check"], rows["image_id"], rows["source_id"], strict=True))
    assert pairs == {(check, other, one) for check, one, other in pairs}


def test_conflicts_and_leaks_cross_what_they_should(planted: pd.DataFrame) -> None:
    conflicts = planted[planted["check"] == "conflicting_label"]
    assert (conflicts["label"] != conflicts["source_id"].str.split("/").str[1]).all()
    leaks = planted[planted["check"] == "split_leakage"]
    assert (leaks["image_id"].str.split("/").str[0] != leaks["source_id"].str.split("/").str[0]).all()


def test_wrong_extensions_hold_another_format(planted: pd.DataFrame) -> None:
    formats = {".jpg": "JPEG", ".png": "PNG"}
    wrong = set(planted.loc[planted["check"] == "wrong_extension", "image_id"])
    damaged = set(planted.loc[planted["check"] == "corrupted", "image_id"])
    for image_id, path in images(sample_data.IMAGES).items():
        if image_id not in damaged:
            with Image.open(path) as picture:
                assert (picture.format != formats[path.suffix]) == (image_id in wrong), image_id
