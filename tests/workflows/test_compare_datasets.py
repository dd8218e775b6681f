"""`imageclinic compare` from datasets to result: two folders, what they may differ in, and a run with known truth."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from imageclinic.core.errors import InputError
from imageclinic.workflows import compare
from imageclinic.workflows.steps import comparison_arms
from imageclinic.workflows.steps.comparison_arms import of_datasets
from tests.conftest import picture

pytestmark = pytest.mark.slow


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """train/… and test/… of two classes; one training image is a copy of a test image, another is no image."""
    root = tmp_path / "before"
    for split, count in (("train", 12), ("test", 4)):
        for at, label in enumerate(("cat", "dog")):
            (root / split / label).mkdir(parents=True)
            for n in range(count):
                picture(1000 * (split == "test") + 100 * at + n, (16, 16)).save(root / split / label / f"{n}.png")
    shutil.copy(root / "test" / "cat" / "0.png", root / "train" / "cat" / "copy.png")
    (root / "train" / "dog" / "broken.png").write_bytes(b"no image")
    return root


@pytest.fixture
def after(before: Path) -> Path:
    """`before` without the broken file and the copy; one image is relabelled by moving it, a test image likewise."""
    root = before.with_name("after")
    shutil.copytree(before, root)
    (root / "train" / "dog" / "broken.png").unlink()
    (root / "train" / "cat" / "copy.png").unlink()
    (root / "train" / "cat" / "3.png").rename(root / "train" / "dog" / "moved.png")
    (root / "test" / "cat" / "1.png").rename(root / "test" / "dog" / "moved.png")
    return root


def test_two_folders_are_matched_by_content(before: Path, after: Path) -> None:
    found, test, notes = of_datasets(before, after, 0)
    one, two = found["original"], found["cleaned"]
    assert (len(one), len(two), len(test)) == (25, 24, 8)
    assert set(two["image_id"]) < set(one["image_id"])  # the same ids, wherever the files lie
    assert notes == [f"{before}: 1 unreadable images are left out."]
    both = one.merge(two, on="image_id")
    assert (both["label_x"] != both["label_y"]).sum() == 1
    assert (test["label_original"] != test["label_reviewed"]).sum() == 1
    assert set(one["split"]) == {"train", "val"}
    from imageclinic.training.compare.arms import checked

    _, images = checked(found, test)
    assert images["fair"].sum() == 7  # all but the test image with a copy among the training images


def test_near_copies_across_the_two_are_left_out(before: Path, after: Path) -> None:
    for n in (0, 1):
        picture(2000 + n, (64, 64)).save(before / "test" / "cat" / f"big{n}.png")
        shutil.copy(before / "test" / "cat" / f"big{n}.png", after / "test" / "cat")
    with Image.open(before / "test" / "cat" / "big0.png") as image:
        image.resize((56, 56)).save(after / "train" / "cat" / "again.jpg", quality=80)
    found, test, _ = of_datasets(before, after, 0)
    paths = found["cleaned"].set_index("split_group")["path"]
    leaked = test.loc[test["split_group"].isin(paths.index), "path"]
    assert [Path(p).name for p in leaked] == ["big0.png"]
    assert Path(paths[test.loc[leaked.index[0], "split_group"]]).name == "again.jpg"


def test_datasets_without_a_common_test_are_refused(before: Path, after: Path) -> None:
    (after / "test" / "dog" / "0.png").unlink()
    picture(7777, (16, 16)).save(after / "test" / "dog" / "new.png")
    with pytest.raises(InputError, match=r"1 of .*before alone, such as 0\.png; 1 of .*after alone, such as new\.png"):
        of_datasets(before, after, 0)
    shutil.rmtree(after / "test")
    with pytest.raises(InputError, match="after has no test images"):
        of_datasets(before, after, 0)


def test_the_result_lies_beside_the_second(before: Path, after: Path) -> None:
    with tarfile.open(packed := after.with_suffix(".tar"), "w") as tar:
        tar.add(after, ".")
    result = compare.compare(before, packed, model="linear", epochs=2, seeds=2)
    written = json.loads((after.with_name("after-comparison") / "comparison.json").read_text("utf-8"))
    assert written == result
    assert len(list((after.with_name("after-comparison") / "unpacked" / "after").rglob("*.png"))) == 32
    # The copy of a test image and one label: nothing else was dropped, so that there is no control.
    assert list(result["arms"]) == ["original", "without_twins", "cleaned"]
    assert (result["baseline"], result["n_test"], result["left_out"]) == ("without_twins", 8, 0)
    assert (result["leak"]["with_copies"], result["leak"]["copies_removed"]) == (1, 1)
    assert result["notes"][0].endswith("1 unreadable images are left out.")
    assert not list(after.rglob("*.json"))
    with pytest.raises(InputError, match="--truth with two datasets"):
        compare.compare(before, after, truth=before / "truth.csv")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("image_id\na\n", "no column label"),
        ("image_id,label\nz,cat\n", "knows none of the training images, such as 'a'"),
    ],
)
def test_a_truth_file_that_does_not_fit(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "truth.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError, match=problem):
        comparison_arms.truth(file, pd.DataFrame({"image_id": ["a"]}))
    file.write_text("image_id,label\na,cat\na,dog\nb,\n", "utf-8")
    labels = comparison_arms.truth(file, pd.DataFrame({"image_id": ["a"]}))
    assert labels["a"] == "dog"
    assert pd.isna(labels["b"])
