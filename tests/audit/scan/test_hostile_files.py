"""One audit over every hostile file of `benchmarks.hostile`: it ends, and says of each what is right to say."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from benchmarks import hostile
from imageclinic.audit.listing import image_listing
from imageclinic.core import tables
from imageclinic.workflows.audit import audit
from tests.conftest import picture

pytestmark = pytest.mark.slow

CHECKS = (
    "corrupted",
    "unreadable_here",
    "wrong_extension",
    "exact_duplicate",
    "near_duplicate",
    "dark",
    "bright",
    "low_information",
)
FILES = {file.name: file for file in hostile.files()}


INTACT = [f"good/{n}.{'png' if n % 2 else 'jpg'}" for n in range(8)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    (root / "bad").mkdir()
    for file in FILES.values():
        file.write(root / "bad")
    (root / "good").mkdir()
    for n, name in enumerate(INTACT):
        picture(n).save(root / name)
    return root


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    """The audit of a manifest that names everything: the listing of a folder leaves out pipes and folders."""
    paths = [*(f"bad/{name}" for name in FILES), *INTACT]
    frame = pd.DataFrame({"path": paths, "label": [path.split("/")[0] for path in paths]}, dtype=object)
    return audit(frame, tmp_path_factory.mktemp("runs") / "run", root=folder, checks=CHECKS).run


def test_there_are_enough() -> None:
    assert len(FILES) > 100
    assert len(FILES) == len(hostile.files())


def test_each_gets_the_right_finding(run) -> None:
    wrong = {}
    for row in run.read_dataset().to_dict("records"):
        path = tables.to_path(row["image_id"])
        if not path.startswith("bad/"):
            continue
        error = None if pd.isna(row["read_error"]) else row["read_error"]
        size = None if pd.isna(row["width"]) else (int(row["width"]), int(row["height"]))
        if not hostile.judged(FILES[path.removeprefix("bad/")], error, size):
            wrong[path] = (error, size)
    assert wrong == {}


def test_every_file_has_a_row(run) -> None:
    names = {tables.to_path(image_id).removeprefix("bad/") for image_id in run.read_dataset()["image_id"]}
    assert set(FILES) <= names


def test_unreadable_files_are_reported(run) -> None:
    dataset, issues = run.read_dataset(), run.read(tables.ISSUES)
    unreadable = set(dataset.loc[dataset["read_error"].notna(), "image_id"])
    assert set(issues.loc[issues["check"].isin(["corrupted", "unreadable_here"]), "image_id"]) == unreadable
    assert set(run.read(tables.FEATURES)["image_id"]) == set(dataset["image_id"]) - unreadable


def test_intact_neighbours_are_unaffected(run, folder: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame({"path": INTACT, "label": "good"})
    alone = audit(frame, tmp_path / "run", root=folder, checks=("corrupted",)).run
    for table in (tables.DATASET, tables.FEATURES):
        among = run.read(table)
        among = among[among["image_id"].str.startswith("good/")].reset_index(drop=True)
        pd.testing.assert_frame_equal(among, alone.read(table))


def test_a_folder_of_them_is_listed_without_opening_pipes(folder: Path) -> None:
    listed = {tables.to_path(i).removeprefix("bad/") for i in image_listing.load(folder).images["image_id"]}
    assert {"pipe.jpg", "folder.jpg", "endless.jpg"}.isdisjoint(listed)
    assert {name for name in FILES if name not in ("pipe.jpg", "folder.jpg", "endless.jpg")} <= listed


@pytest.mark.parametrize(
    ("error", "size", "right"),
    [
        ("truncated: x", None, False),
        ("damaged stream: x", None, True),
        (None, (96, 72), False),
    ],
)
def test_answers_are_judged(error: str | None, size: tuple[int, int] | None, right: bool) -> None:
    assert hostile.judged(FILES["hole.jpg"], error, size) is right


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_listed_as_readable_is() -> None:
    """Files made by hand are valid, whoever reads them: here Pillow alone."""
    for file in FILES.values():
        if file.size and isinstance(file.data, bytes):
            with Image.open(io.BytesIO(file.data)) as image:
                assert image.size == file.size
                image.load()
