"""Which files the App may show, when the folder or the run holds traps."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from imageclinic.cleaning.review.dataset import browser_pictures, kept_rows
from imageclinic.cleaning.review.door.media import Media
from imageclinic.cleaning.trust import random_sample
from imageclinic.core import tables
from imageclinic.core.run import Run
from tests.helpers.review_run import COPIES, make_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path)


def made_pictures(run: Run) -> pd.Series:
    dataset = run.read_dataset()
    files = pd.Series([run.files.absolute(name) for name in dataset["image_id"]], dtype="object")
    return browser_pictures.shown(run, dataset, files)


def test_every_picture_that_the_app_shows_is_found(run: Run) -> None:
    paths = made_pictures(run)
    media = Media(run)
    assert len(paths) > 10
    for path in paths:
        found = media.find(path)
        with Image.open(path) as image:
            assert found and (found.path, found.media_type) == (os.path.realpath(path), image.get_format_mimetype())


def test_an_image_that_is_a_link_is_shown_and_a_link_to_anything_else_is_not(run: Run, tmp_path: Path) -> None:
    image, elsewhere = run.root / COPIES[0], tmp_path / "store.png"
    image.rename(elsewhere)
    image.symlink_to(elsewhere)
    found = Media(run).find(str(image))
    assert found and found.path == str(elsewhere.resolve())
    assert Media(run).find(str(elsewhere)) is None, "by its own name it is no image of the dataset"
    secret = tmp_path / "secret"
    secret.write_text("-----BEGIN PRIVATE KEY-----")
    image.unlink()
    image.symlink_to(secret)
    assert Media(run).find(str(image)) is None


@pytest.mark.parametrize(
    "content",
    [b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", b"<html><script></script>", b"", b"II*\0" * 9],
)
def test_what_browsers_do_not_draw_as_pixels_is_not_sent(run: Run, content: bytes) -> None:
    (run.root / COPIES[0]).write_bytes(content)
    assert Media(run).find(str(run.root / COPIES[0])) is None


def test_a_pipe_in_an_images_place_does_not_hold_us(run: Run) -> None:
    image = run.root / COPIES[0]
    image.unlink()
    os.mkfifo(image)
    assert Media(run).find(str(image)) is None
    image.unlink()
    image.mkdir()
    assert Media(run).find(str(image)) is None
    image.rmdir()
    assert Media(run).find(str(image)) is None


def test_a_runs_table_leads_nowhere_outside_its_dataset(run: Run, tmp_path: Path) -> None:
    private = tmp_path / "private.png"
    Image.new("RGB", (8, 8)).save(private)
    beside = run.root.with_name(run.root.name + "-2") / "a.png"
    beside.parent.mkdir()
    Image.new("RGB", (8, 8)).save(beside)
    row = run.read_dataset().iloc[[0]]
    names = ["../private.png", str(private), f"../{beside.parent.name}/a.png", "cat/../../private.png"]
    # Written past the tables' own check, as whoever hands over a run folder could.
    pd.concat([row.assign(image_id=name) for name in names]).to_parquet(run.table_path(tables.DATASET))
    try:
        media = Media(run)
    except Exception as error:  # a table that is refused as a whole leads nowhere either
        assert type(error).__name__ == "InputError"
        return
    for path in [private, beside, run.root / names[0], run.root / names[2]]:
        assert media.find(str(path)) is None


def test_only_pictures_in_the_runs_own_folder(run: Run, tmp_path: Path) -> None:
    made_pictures(run)
    made = next(run.review.glob("*.png"))
    private = tmp_path / "private.png"
    Image.new("RGB", (8, 8)).save(private)
    (run.review / "link.png").symlink_to(private)
    (run.review / "deeper").mkdir()
    (run.review / "deeper" / "a.png").write_bytes(made.read_bytes())
    (run.review / "server.log").write_bytes(made.read_bytes())
    media = Media(run)
    assert media.find(str(made))
    for name in ["link.png", "deeper/a.png", "server.log", "../decisions.csv"]:
        assert media.find(str(run.review / name)) is None


def test_of_a_large_run_only_images_that_the_app_may_show_are_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_rows, "MOST_IMAGES", 4)
    monkeypatch.setattr(random_sample, "draw", functools.partial(random_sample.draw, flagged=2, unflagged=1))
    run = make_run(tmp_path)
    shown = set(kept_rows.of_run(run, ["cat/00.png"]).dataset["image_id"])
    media = Media(run)
    others = [name for name in run.read_dataset()["image_id"] if name not in shown]
    assert others and all(media.find(str(run.image_path(name))) is None for name in others)
    assert media.find(str(run.image_path("cat/00.png"))) is not None, "it was asked for"
