"""One image at a time: nothing decided that was not in sight, none replaced silently, none shown but not saved."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page

from imageclinic.cleaning.decisions import decision_log
from imageclinic.core import tables
from imageclinic.core.run import Run
from tests.browser.driver import (
    DESK,
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
    wait_for,
)
from tests.browser.key_times import in_words, times
from tests.helpers.review_run import make_large_run

pytestmark = pytest.mark.browser
#: Flagged images in the order of the view, and those of them that are decided before anybody opens it.
ORDER = [f"{n:04d}.png" for n in (*range(10), *range(1_000, 1_200), *range(10, 200))]
DECIDED = ORDER[31:91]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, str]]:
    folder = tmp_path_factory.mktemp("desk")
    run = make_large_run(folder / "run", folder / "data")
    decide(run, DECIDED, "drop", "ann")
    with app(run.path) as inbox:
        yield run, inbox


def decide(run: Run, images: list[str], decision: str, reviewer: str) -> None:
    events = pd.DataFrame({"image_id": images, "decision": decision, "reviewer": reviewer})
    decision_log.append(run.decisions, events)


def test_an_image_that_was_not_in_sight_is_not_decided(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "mislabeled")
    first = open_image(shown, 0)
    shown.evaluate("""() => {
      window.sight = [];
      let id = __imageclinic__.shown;
      const seen = (v) => { id = v; if (v) sight.push([v, performance.now()]); };
      Object.defineProperty(__imageclinic__, 'shown', { get: () => id, set: seen });
      window.dispatched = [];
      for (let n = 0; n < 5; n++) setTimeout(() => {
        dispatched.push(performance.now());
        window.dispatchEvent(new KeyboardEvent('keydown', { key: 'd', bubbles: true, cancelable: true }));
      }, 80 * n);
    }""")
    shown.wait_for_function("dispatched.length === 5")
    shown.locator(f"{DESK} .ic-saving").filter(has_text="all saved").wait_for()
    rows = log(run, before + 1).iloc[before:]
    sight = dict(shown.evaluate("sight"))
    keys = shown.evaluate("dispatched")
    allowed = 1 + sum(any(key - at >= 200 for key in keys) for at in sight.values())
    assert 1 <= len(rows) <= allowed < 5
    assert rows["image_id"].tolist() == ORDER[: len(rows)]
    assert current(shown) != first
    for taken, image in enumerate(reversed(rows["image_id"].tolist()), start=1):
        shown.keyboard.press("u")
        expect_message(shown, "Took back")
        shown.locator(f"{DESK} .ic-path").filter(has_text=image).wait_for()
        current(shown)
        assert len(log(run, before + len(rows) + taken)) == before + len(rows) + taken


def test_decided_images_are_passed_over_however_many(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "mislabeled")
    open_image(shown, 30)
    press(shown, "kn")
    rows = log(run, before + 2).tail(2)
    assert rows["image_id"].tolist() == [ORDER[30], ORDER[91]]
    current(shown)
    shown.keyboard.press("ArrowLeft")
    shown.keyboard.press("ArrowLeft")
    shown.get_by_text("Decided: drop, by ann. A key replaces it.").wait_for()
    press(shown, "k")
    expect_message(shown, "Replaced")
    assert log(run, before + 3).iloc[-1][["image_id", "decision"]].tolist() == [ORDER[90], "keep"]


def test_number_keys_take_the_likeliest_classes(served: tuple[Run, str], shown: Page, tmp_path: Path) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "mislabeled")
    open_image(shown, 22)
    shown.screenshot(path=tmp_path / "numbers.png")
    assert shown.locator(f"{DESK} .ic-numbers button").all_inner_texts()[0].split() == ["1", "class", "0001"]
    press(shown, "12")
    rows = log(run, before + 2).tail(2)
    assert rows["decision"].tolist() == ["relabel", "keep"]  # the second likeliest is the given label
    assert rows["label"].tolist()[0] == "class 0001"


def test_a_reload_opens_the_same_image_and_keys_move_on(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "mislabeled")
    opened = open_image(shown, 26)
    shown.reload()
    shown.wait_for_selector(DESK)
    assert current(shown) == opened
    press(shown, "kk")
    assert log(run, before + 2)["image_id"].tolist()[-2:] == [ORDER[26], ORDER[27]]


def test_browsers_do_not_steer_each_other(served: tuple[Run, str], shown: Page) -> None:
    _, inbox = served
    open_view(shown, inbox, "mislabeled")
    select(shown, 3)
    address = shown.url
    other = shown.context.new_page()
    open_view(other, inbox, "undecided")
    assert not other.locator(f"{TILE} input:checked").count(), "another page's selection"
    open_image(other, 5)
    other.wait_for_timeout(2_000)
    assert shown.url == address and not shown.locator(DESK).count()
    assert shown.locator(f"{TILE} input:checked").count() == 1
    other.close()


def test_what_another_reviewer_decides_appears_but_not_before_ones_own(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    open_view(shown, inbox, "mislabeled")
    decide(run, [ORDER[2]], "drop", "bob")
    wait_for(lambda: "drop" in shown.locator(TILE).nth(2).inner_text(), 120)
    open_image(shown, 2)
    shown.get_by_text("bob has decided; what, shows after your own decision.").wait_for()
    press(shown, "k")
    expect_message(shown, "Reviewers disagree about 1 of them")
    close_image(shown)
    open_view(shown, inbox, "disputed")
    open_image(shown, 0)
    shown.get_by_text("bob: drop; ann: keep").wait_for()


def test_what_is_not_saved_is_taken_back(served: tuple[Run, str], shown: Page, tmp_path: Path) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "mislabeled")
    opened = open_image(shown, 14)
    broken = '"operator_uri":"@imageclinic/review/decide"'

    def refuse(route: object) -> None:
        if broken in (route.request.post_data or ""):  # type: ignore[attr-defined]
            time.sleep(1)
            route.abort()  # type: ignore[attr-defined]
        else:
            route.continue_()  # type: ignore[attr-defined]

    shown.route("**/operators/execute", refuse)
    shown.keyboard.press("d")
    expect_message(shown, "NOT SAVED")
    assert current(shown) == opened
    shown.locator("#imageclinic-desk").get_by_text("Undecided", exact=True).wait_for()
    shown.screenshot(path=tmp_path / "not_saved.png")
    assert len(decision_log.read(run.decisions)) == before
    shown.unroute("**/operators/execute")
    press(shown, "d")
    assert log(run, before + 1).iloc[-1]["image_id"] == ORDER[14]


def test_the_grid_of_what_is_undecided_moves_on(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "undecided")
    select(shown, 4)
    shown.keyboard.press("n")
    log(run, before + 1)
    expect_message(shown, "Unsure about 1 image.")
    assert not shown.get_by_text("That was the last one").count()
    wait_for(lambda: shown.evaluate("__imageclinic__.selected.length") == 1, 60)
    shown.wait_for_timeout(500)
    shown.keyboard.press("n")
    assert log(run, before + 2).iloc[before:]["image_id"].nunique() == 2


def test_how_long_from_a_key_to_picture_and_evidence(served: tuple[Run, str], shown: Page) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox, "mislabeled")
    open_image(shown, 8)
    measured = times(shown, 40)
    print("\n" + in_words(measured))
    assert len(log(run, before + 40)) == before + 40
    assert np.median(measured) < 1_000


def test_the_end_says_what_comes_next(served: tuple[Run, str], shown: Page, tmp_path: Path) -> None:
    run, inbox = served
    open_view(shown, inbox, "inbox")
    shown.keyboard.press("v")
    shown.keyboard.press("n")
    shown.get_by_role("button", name="Yes, unsure").click()
    flagged = run.read(tables.ISSUES)["image_id"].dropna().nunique()
    panel(shown).get_by_text(f"{flagged} of {flagged} flagged images decided").wait_for()
    rows = len(decision_log.read(run.decisions))
    shown.keyboard.press("Enter")
    shown.get_by_text(f"All {flagged} flagged images are decided. Next: imageclinic export").wait_for()
    shown.screenshot(path=tmp_path / "end.png")
    shown.keyboard.press("k")
    shown.wait_for_timeout(1_000)
    assert len(decision_log.read(run.decisions)) == rows
