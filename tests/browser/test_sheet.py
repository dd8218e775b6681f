"""A whole confusion on one sheet: from the matrix and from the report, exceptions unticked, decided at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Page

from imageclinic.cleaning.decisions import decision_log
from imageclinic.core import tables
from imageclinic.core.run import Run
from tests.browser.driver import TILE, app, current, log, open_view, panel, wait_for
from tests.helpers.review_run import MISLABELED, make_run

pytestmark = pytest.mark.browser
SHEET = "#imageclinic-sheet"
#: Given label dog, predicted as cat, the least likely label first.
PAIR = [*MISLABELED[:4]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, str]]:
    run = make_run(tmp_path_factory.mktemp("sheet"))
    names = [*PAIR, "cat/00.png", "cat/01.png"]
    probabilities = np.array([[0.9, 0.1]] * 5 + [[0.2, 0.8]], np.float32)
    columns = {"image_id": names, "fold": [0] * 6, "label_quality": [0.1, 0.2, 0.3, 0.4, 0.9, 0.2]}
    tables.write_vectors(run.predictions, columns, "pred_probs", probabilities, {"classes": json.dumps(["cat", "dog"])})
    empty = {"n_issues": 0, "reason": "", "seconds": 0.0, "options": {}, "outcome": "found"}
    run.update_info({"seed": 0, "outcomes": [{"check": name, **empty} for name in ("mislabeled", "bright")]})
    with app(run.path) as inbox:
        yield run, inbox


def ticked(shown: Page) -> int:
    return int(shown.locator(f"{SHEET} .ic-count").inner_text().split()[0])


def open_pair(shown: Page) -> None:
    """By keys alone: the matrix, and its most confused pair."""
    shown.keyboard.press("t")
    shown.wait_for_selector(".ic-matrix")
    shown.locator(".ic-matrix .ic-cell", has_text="4").focus()
    shown.keyboard.press("Enter")
    shown.wait_for_selector(f"{SHEET} .ic-tile")


def test_what_is_ticked_is_decided_as_one_batch_after_its_count(
    served: tuple[Run, str], shown: Page, tmp_path: Path
) -> None:
    run, inbox = served
    before = len(decision_log.read(run.decisions))
    open_view(shown, inbox)
    open_pair(shown)
    assert ticked(shown) == 4
    shown.keyboard.press("ArrowRight")
    shown.keyboard.press(" ")
    shown.locator(f"{SHEET} .ic-tile").nth(3).click()
    assert ticked(shown) == 2
    shown.keyboard.press("r")
    question = shown.locator(".ic-dialog").inner_text()
    assert "2 images to cat" in question and "2 images unticked" in question
    shown.screenshot(path=tmp_path / "question.png")
    shown.keyboard.press("Escape")
    shown.keyboard.press("r")
    shown.keyboard.press("Enter")
    rows = log(run, before + 2).tail(2)
    assert rows["image_id"].tolist() == [PAIR[0], PAIR[2]] and set(rows["label"]) == {"cat"}
    assert rows["batch"].nunique() == 1
    wait_for(lambda: shown.locator(f"{SHEET} .ic-done").count() == 2, 60)
    assert ticked(shown) == 0, "what was unticked stays so"

    shown.keyboard.press("Enter")  # the exception, large
    current(shown)
    shown.keyboard.press("k")
    assert log(run, before + 3).iloc[-1]["image_id"] == PAIR[3]
    shown.keyboard.press("Escape")
    wait_for(lambda: shown.locator(f"{SHEET} .ic-done").count() == 3, 60)
    shown.keyboard.press("t")
    cell = shown.locator(".ic-matrix .ic-cell", has_text="/")
    assert cell.inner_text() == "1/4"
    shown.keyboard.press("Escape")
    shown.keyboard.press("u")
    shown.keyboard.press("u")
    wait_for(lambda: shown.locator(f"{SHEET} .ic-done").count() == 0, 60)
    shown.keyboard.press("Escape")
    shown.wait_for_selector(SHEET, state="detached")
    wait_for(lambda: shown.locator(TILE).count() == 4, 60)
    panel(shown).get_by_role("button", name="Bright").click()
    shown.wait_for_function("location.search.includes('view=bright')")


def test_the_report_beside_the_app_leads_to_the_pair_and_to_an_image(served: tuple[Run, str], shown: Page) -> None:
    _, inbox = served
    open_view(shown, inbox)
    address = urlsplit(shown.url)
    shown.goto(f"{address.scheme}://{address.netloc}/report")
    shown.wait_for_selector("#confusions")
    with shown.context.expect_page() as opened:
        shown.locator("#confusions a", has_text="4").click()
    opened.value.wait_for_selector(f"{SHEET} .ic-tile")
    assert opened.value.locator(f"{SHEET} .ic-tile").count() == 4
    opened.value.close()
    with shown.context.expect_page() as opened:
        shown.locator("#check-bright a.mat").first.click()
    opened.value.locator("#imageclinic-desk .ic-path").wait_for()
    assert "view=bright" in opened.value.url
