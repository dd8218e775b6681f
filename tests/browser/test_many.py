"""A thousand classes with hostile labels: how fast keys are, and that nothing that a label says is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from imageclinic.cleaning.decisions import decision_log, person_decision
from imageclinic.cleaning.trust import random_sample
from imageclinic.core import tables
from imageclinic.core.run import Run
from tests.browser.driver import app, expect_message, log, open_image, open_view, panel, select, wait_for
from tests.helpers.review_run import HOSTILE_LABELS, make_large_run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, str]]:
    folder = tmp_path_factory.mktemp("many")
    run = make_large_run(folder / "run", folder / HOSTILE_LABELS[0] / "..x" / HOSTILE_LABELS[1])
    with app(run.path) as inbox:
        yield run, inbox


def test_hostile_labels_are_shown_and_logged_as_they_are(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    open_view(shown, inbox, "mislabeled")
    for n, label in enumerate(HOSTILE_LABELS):
        select(shown, n)
        panel(shown).locator(".ic-given").filter(has_text=label).wait_for()
        before = len(decision_log.read(run.decisions))
        shown.keyboard.press("r")
        row = log(run, before + 1).iloc[-1]
        new = HOSTILE_LABELS[n + 1] if n + 1 < len(HOSTILE_LABELS) else "class 0000"
        assert (row["given_label"], row["label"]) == (label, new)
        shown.keyboard.press("u")
        log(run, before + 2)
        expect_message(shown, "Took back 1 image.")
        select(shown, n)  # what was taken back is selected: no more


def test_a_typed_class_of_a_thousand(served: tuple[Run, str], shown: Page, tmp_path: Path) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "mislabeled")
    open_image(shown, 10)
    shown.keyboard.press("l")
    shown.keyboard.type("class 0777")
    shown.screenshot(path=tmp_path / "typed.png")
    shown.keyboard.press("Enter")
    assert log(run, before + 1).iloc[-1]["label"] == "class 0777"


def test_more_like_this_one_opens_the_same_mistake_first(served: tuple[Run, str], shown: Page) -> None:
    _, inbox = served
    open_view(shown, inbox, "mislabeled")
    select(shown, 15)
    shown.keyboard.press("m")
    expect_message(shown, "59 images with the same mistake")
    wait_for(lambda: "60 samples" in shown.inner_text("body"), 120)


def test_a_key_decides_about_what_a_lasso_on_the_map_holds(
    served: tuple[Run, str], shown: Page, tmp_path: Path
) -> None:
    run, inbox = served
    open_view(shown, inbox, "mislabeled")
    before = len(decision_log.read(run.decisions))
    panel(shown).get_by_text("Map: choose images by a lasso").click()
    shown.locator(".emb-mode-segment").filter(has_text="Select").click()
    lasso(shown)
    held = shown.evaluate("__imageclinic__.lasso.length")
    panel(shown).get_by_text(f"{held} images in the lasso").wait_for()
    shown.keyboard.press("d")
    shown.screenshot(path=tmp_path / "lasso.png")
    shown.get_by_role("button", name="No [Esc]").click()
    shown.keyboard.press("n")
    shown.get_by_role("button", name="Yes, ").click()
    rows = log(run, before + 1).iloc[before:]
    assert 1 < len(rows) <= held and rows["decision"].eq("unsure").all() and rows["batch"].nunique() == 1
    expect_message(shown, "Unsure about")
    shown.keyboard.press("u")
    assert len(log(run, before + 2 * len(rows))) == before + 2 * len(rows)


def lasso(shown: Page) -> None:
    """Draw a lasso around the middle of the map, until it holds something: the map is drawn in its own time."""

    def held() -> bool:
        plots = [plot for canvas in shown.locator("canvas").all() if (plot := canvas.bounding_box())]
        box = max(plots, key=lambda plot: plot["width"] * plot["height"], default=None)
        if box is None or box["width"] < 300:
            return False
        x, y, reach = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, 0.3 * box["width"]
        corners = [(x - reach, y - reach), (x + reach, y - reach), (x + reach, y + reach), (x - reach, y + reach)]
        shown.mouse.move(*corners[0])
        shown.mouse.down()
        for corner in [*corners[1:], corners[0]]:
            shown.mouse.move(*corner, steps=8)
        shown.mouse.up()
        shown.wait_for_timeout(1_500)
        return bool(shown.evaluate("__imageclinic__.lasso.length"))

    wait_for(held, 120)


def test_the_next_fifty_are_accepted_after_random_reviews_and_a_few_are_shown(
    served: tuple[Run, str], shown: Page, tmp_path: Path
) -> None:
    run, inbox = served
    open_view(shown, inbox, "mislabeled")
    shown.keyboard.press("v")
    shown.get_by_text("Open Calibrate").wait_for()
    shown.screenshot(path=tmp_path / "too-few.png")
    shown.keyboard.press("a")
    assert shown.get_by_role("button", name="Choose first").is_disabled()
    shown.keyboard.press("Escape")

    flags = run.read(tables.ISSUES).set_index("image_id")["suggested_label"]
    drawn = random_sample.draw(run.read(tables.ISSUES), run.read(tables.DATASET))["image_id"]
    left = drawn[drawn.isin(flags.index) & ~drawn.isin(decision_log.read(run.decisions)["image_id"])][:200]
    person_decision.append(run, left.tolist(), "relabel", reviewer="ann", labels=flags[left].tolist(), blind=True)
    before = len(decision_log.read(run.decisions))
    shown.keyboard.press("v")
    shown.get_by_text("0 of them found the suggested label wrong").wait_for()
    shown.keyboard.press("a")
    shown.screenshot(path=tmp_path / "offered.png")
    shown.get_by_role("button", name="Yes, relabel 50 images").click()
    rows = log(run, before + 50).tail(50)
    assert rows["batch"].nunique() == 1 and rows["label"].tolist() == flags[rows["image_id"]].tolist()
    expect_message(shown, "u takes all 50 images back")
    wait_for(lambda: shown.locator('[data-cy="fo-grid"] [data-cy="looker"]').count() == 5, 60)
    shown.screenshot(path=tmp_path / "looked-at.png")
    shown.keyboard.press("u")
    assert log(run, before + 100).tail(50)["decision"].eq("undo").all()
