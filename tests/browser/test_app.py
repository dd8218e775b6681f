"""A person at work in the App: selects, decides by key and by button, takes back. Real App, real Chromium.

One server for all tests, because it takes longest; each test decides about images of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.trust import random_sample
from imageclinic.core import tables
from imageclinic.core.run import Run
from tests.browser.driver import (
    BAR,
    TILE,
    app,
    close_image,
    current,
    expect_message,
    log,
    open_image,
    open_view,
    panel,
    press,
    select,
    select_until,
    wait_for,
)
from tests.helpers.review_run import COPIES, HOSTILE, MISLABELED, make_run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, str]]:
    run = make_run(tmp_path_factory.mktemp("review"))
    with app(run.path) as inbox:
        yield run, inbox


def test_select_and_decide_by_key(served: tuple[Run, str], shown: Page, tmp_path: Path) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "exact-duplicate")
    select(shown, 1)
    shown.wait_for_selector("text=Same bytes")
    shown.keyboard.press("d")
    row = log(run, before + 1).iloc[-1]
    assert (row["image_id"], row["decision"], row["confirmed"]) == (COPIES[1], "drop", "exact_duplicate")
    expect_message(shown, "Dropped 1 image.")
    assert shown.evaluate("window.__imageclinic__.tiles"), "the App's tiles could not be redrawn"
    wait_for(lambda: "drop" in shown.locator(TILE).nth(1).inner_text(), 120)
    shown.screenshot(path=tmp_path / "copies.png")
    shown.keyboard.press("u")
    assert log(run, before + 2).iloc[-1]["decision"] == "undo"
    wait_for(lambda: "drop" not in shown.locator(TILE).nth(1).inner_text(), 120)


def test_the_open_image_by_key_moves_on(served: tuple[Run, str], shown: Page, tmp_path: Path) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "mislabeled")
    first = open_image(shown, 0)
    press(shown, "kr")
    rows = log(run, before + 2).tail(2)
    assert rows["image_id"].tolist() == list(MISLABELED[:2])
    assert rows["decision"].tolist() == ["keep", "relabel"]
    assert rows["label"].tolist()[1] == HOSTILE
    assert rows["rejected"].tolist()[0] == "bright;mislabeled"
    assert current(shown) != first
    shown.screenshot(path=tmp_path / "desk.png")
    shown.keyboard.press("u")
    shown.keyboard.press("u")  # at once: no undo is lost while another is on its way
    undone = log(run, before + 4).tail(2)
    assert undone["image_id"].tolist() == [MISLABELED[1], MISLABELED[0]]
    wait_for(lambda: current(shown) == first, 120, message="not back at the first image")


def test_decided_images_are_passed_over(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "mislabeled")
    opened = open_image(shown, 3)
    shown.keyboard.press("n")
    log(run, before + 1)
    wait_for(lambda: current(shown) != opened, 120)
    expect_message(shown, "Unsure about")
    close_image(shown)
    open_image(shown, 2)
    shown.keyboard.press("k")
    log(run, before + 2)
    expect_message(shown, "Kept a#b%20?.png.")
    press(shown, "k")
    rows = log(run, before + 3)
    assert rows["image_id"].tolist()[before:] == [MISLABELED[3], MISLABELED[2], MISLABELED[4]]


def test_relabel_to_any_label(served: tuple[Run, str], shown: Page, tmp_path: Path) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "corrupted")
    open_image(shown, 0)
    shown.keyboard.press("l")
    shown.keyboard.type("cat")  # at once: no letter is lost, none decides
    shown.screenshot(path=tmp_path / "dialog.png")
    shown.keyboard.press("Enter")
    row = log(run, before + 1).iloc[-1]
    assert (row["image_id"], row["decision"], row["label"]) == ("dog/torn.jpg", "relabel", "cat")
    shown.get_by_text("All 1 image of this view are decided.").wait_for()
    for key in "kdl":  # nothing is open: nothing is decided a second time
        shown.keyboard.press(key)
    shown.keyboard.press("u")
    assert log(run, before + 2)["decision"].tolist()[before:] == ["relabel", "undo"]
    current(shown)
    shown.keyboard.press("l")
    shown.keyboard.type("otter")
    shown.keyboard.press("Enter")
    shown.get_by_text("Enter again: add “otter” as a new class").wait_for()
    shown.keyboard.press("Enter")
    assert log(run, before + 3).iloc[-1]["label"] == "otter"


def test_the_panel_shows_and_decides(served: tuple[Run, str], shown: Page, tmp_path: Path) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "mislabeled")
    select(shown, 5)
    panel(shown).get_by_text(f"A {HOSTILE} it is.").wait_for()
    shown.screenshot(path=tmp_path / "panel.png")
    panel(shown).get_by_role("button", name="Drop").click()
    row = log(run, before + 1).iloc[-1]
    assert (row["image_id"], row["decision"], row["reviewer"]) == ("dog/deep.tif", "drop", "ann")
    wait_for(lambda: "drop" in shown.locator(TILE).nth(5).inner_text(), 120)


def test_the_bar_decides_and_keys_typed_into_fields_do_not(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "bright")
    select(shown, 0)
    assert not shown.locator('[data-cy="sidebar"]').count(), "the sidebar is folded away"
    shown.locator('[data-cy="action-toggle-sidebar"]').click()
    shown.locator('[data-cy="sidebar"]').wait_for()
    shown.locator("input[type=text]").first.focus()
    shown.keyboard.type("dk")
    shown.locator(f"{BAR} button[data-decision=unsure]").click()
    row = log(run, before + 1).iloc[-1]
    assert (row["image_id"], row["decision"]) == ("cat/pale.png", "unsure")
    assert len(decision_log.read(run.decisions)) == before + 1


def test_the_inbox_button_leaves_what_is_undecided(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox)
    last = shown.locator(TILE).count() - 1
    select(shown, last)
    shown.keyboard.press("k")
    log(run, before + 1)
    open_view(shown, inbox)
    tiles = shown.locator(TILE).count()
    assert tiles == last + 1, "the Inbox keeps its images while one works in it"
    panel(shown).get_by_role("button", name="Inbox").click()
    decided = decision_log.current(decision_log.read(run.decisions), run.read(tables.DATASET))
    left = len(set(run.read(tables.ISSUES)["image_id"].dropna()) - set(decided["image_id"]))
    wait_for(lambda: shown.locator(TILE).count() == left, 120)


def test_the_random_sample_is_judged_blind(served: tuple[Run, str], shown: Page, tmp_path: Path) -> None:
    run, inbox = served
    drawn = random_sample.draw(run.read(tables.ISSUES), run.read(tables.DATASET))
    position = drawn.index[drawn["image_id"] == COPIES[0]][0]
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "calibrate")
    shown.screenshot(path=tmp_path / "calibrate-grid.png")
    select(shown, position)
    shown.wait_for_timeout(1500)
    panel(shown).locator(".ic-given").filter(has_text="cat").wait_for()
    assert not any(word in shown.inner_text("body") for word in ("Same bytes", "exact_duplicate", COPIES[0]))
    assert panel(shown).locator("[data-decision=relabel]").is_disabled()
    wait_for(lambda: not shown.locator(f"{BAR} button[data-decision=relabel]").is_visible(), 120)
    for key in "rb":
        shown.keyboard.press(key)
        expect_message(shown, "judged blind")
    assert len(decision_log.read(run.decisions)) == before
    shown.screenshot(path=tmp_path / "calibrate.png")
    shown.keyboard.press("k")
    row = log(run, before + 1).iloc[-1]
    assert (row["image_id"], row["sample"], row["stratum"], row["inclusion_prob"]) == (
        COPIES[0],
        "random",
        "flagged",
        1,
    )
    expect_message(shown, "Kept 1 image.")
    tile = shown.locator(TILE).nth(position)
    wait_for(lambda: "keep" in tile.inner_text(), 120)
    assert "exact_duplicate" not in tile.inner_text(), "the answer gives away what was found"
    shown.keyboard.press("u")
    log(run, before + 2)


def test_the_grid_moves_on(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "exact-duplicate")
    select(shown, 0)
    shown.keyboard.press("n")
    shown.keyboard.press("k")
    rows = log(run, before + 2).tail(2)
    assert dict(zip(rows["image_id"], rows["decision"], strict=True)) == {COPIES[0]: "unsure", COPIES[1]: "keep"}
    expect_message(shown, "last one of this view")
    shown.keyboard.press("u")
    expect_message(shown, "Took back 1 image.")
    shown.keyboard.press("d")  # what was taken back is selected again
    assert log(run, before + 4).iloc[-1][["image_id", "decision"]].tolist() == [COPIES[1], "drop"]
    shown.keyboard.press("u")
    shown.keyboard.press("u")
    log(run, before + 6)


def test_the_best_copy_stays(served: tuple[Run, str], shown: Page, tmp_path: Path) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "exact-duplicate")
    open_image(shown, 0)
    beside = shown.locator("#imageclinic-desk .ic-member")
    assert beside.count() == 2 and "would stay" in beside.first.inner_text() + beside.last.inner_text()
    shown.keyboard.press("B")  # capital letters, too
    rows = log(run, before + 2).tail(2)
    assert sorted(rows["decision"]) == ["drop", "keep"] and rows["batch"].nunique() == 1
    expect_message(shown, "Best copy stays, dropped 1 image.")
    shown.screenshot(path=tmp_path / "best.png")
    shown.keyboard.press("u")
    assert log(run, before + 4)["decision"].tolist()[-2:] == ["undo", "undo"]


def test_the_whole_view_after_its_count_is_confirmed(served: tuple[Run, str], shown: Page, tmp_path: Path) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "exact-duplicate")
    shown.keyboard.press("v")
    shown.get_by_text("Decide about 2 images").wait_for()
    shown.keyboard.press("d")
    shown.keyboard.press("Escape")
    assert len(decision_log.read(run.decisions)) == before
    shown.keyboard.press("v")
    shown.get_by_text("Decide about 2 images").wait_for()
    shown.keyboard.press("n")
    shown.screenshot(path=tmp_path / "whole.png")
    shown.get_by_role("button", name="Yes, unsure 2 images").click()
    rows = log(run, before + 2).tail(2)
    assert set(rows["image_id"]) == set(COPIES) and rows["decision"].eq("unsure").all()
    expect_message(shown, "Unsure about 2 images.")
    shown.keyboard.press("u")
    log(run, before + 4)


def test_a_new_order_of_the_labels_waits_for_the_next_view(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    open_view(shown, inbox, "exact-duplicate")
    dataset = run.read(tables.DATASET)
    rows = dataset["image_id"].tolist()
    decided = decision_log.current(decision_log.read(run.decisions), dataset)["image_id"].tolist()
    worst = next(name for name in reversed(MISLABELED) if name not in decided)
    quality = [0.01 if name == worst else 0.5 for name in rows]
    scores = tables.frame(tables.RERANK, image_id=rows, label_quality=quality, suggested_label=["cat"] * len(rows))
    tables.write(run.rerank(1), scores, tables.RERANK, {"decisions": "20"})
    select(shown, 0)
    panel(shown).get_by_text("Labels were ranked again with 20 lines").wait_for()
    panel(shown).get_by_role("button", name="show the new order").click()
    panel(shown).get_by_text("Labels were ranked again").wait_for(state="detached")
    shown.get_by_text("6 samples").first.wait_for()
    select_until(shown, 0, worst)
    assert not panel(shown).get_by_text("Labels were ranked again").count()


def test_nothing_chosen_nothing_done(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox)
    shown.keyboard.press("k")
    expect_message(shown, "Select images or open one first.")
    assert len(decision_log.read(run.decisions)) == before
