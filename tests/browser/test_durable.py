"""What survives: two reviewers with a server each on one run, and a database that is killed in the middle."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import psutil
import pytest

from imageclinic.cleaning.decisions import decision_log
from imageclinic.core import tables
from tests.browser.driver import (
    app,
    close_image,
    current,
    expect_message,
    log,
    open_image,
    open_view,
    page,
    panel,
    press,
    wait_for,
)
from tests.helpers.review_run import MISLABELED, make_run

pytestmark = pytest.mark.browser


def processes(inbox: str) -> tuple[psutil.Process, psutil.Process]:
    """The review whose App is at this address, and its database."""
    port = re.findall(r":(\d+)/", inbox)[0]
    ours = next(p for p in psutil.process_iter(["cmdline"]) if port in (p.info["cmdline"] or []))
    return ours, next(p for p in ours.children() if "--dbpath" in p.cmdline())


def test_two_reviewers_on_one_run_and_a_database_that_dies(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with page(tmp_path / "profile") as shown, app(run.path, "ann", end=signal.SIGTERM) as anns:
        with app(run.path, "bob", status=1) as bobs:
            open_view(shown, anns, "mislabeled")
            open_image(shown, 0)
            press(shown, "kd")
            log(run, 2)
            open_view(shown, bobs, "mislabeled")
            open_image(shown, 0)
            shown.get_by_text("ann has decided; what, shows after your own decision.").wait_for()
            press(shown, "r")
            log(run, 3)
            close_image(shown)
            open_image(shown, 1)
            press(shown, "d")
            rows = log(run, 4)
            expect_message(shown, "Dropped")
            who_decided = list(zip(rows["reviewer"], rows["image_id"], rows["decision"], strict=True))
            assert who_decided == [
                ("ann", MISLABELED[0], "keep"),
                ("ann", MISLABELED[1], "drop"),
                ("bob", MISLABELED[0], "relabel"),
                ("bob", MISLABELED[1], "drop"),
            ]
            review, database = processes(bobs)
            current(shown)  # the next image is in sight: without its database it would never come
            database.kill()
            shown.keyboard.press("n")
            expect_message(shown, "NOT SAVED")
            wait_for(lambda: not alive(review), 120)  # it says so, and ends by itself
        with app(run.path, "bob") as bobs:
            open_view(shown, bobs, "disputed")
            open_image(shown, 0)
            shown.get_by_text("ann: keep; bob: relabel").wait_for()
            shown.screenshot(path=tmp_path / "disputed.png")
            assert len(decision_log.read(run.decisions)) == 4
            now = decision_log.current(decision_log.read(run.decisions), run.read(tables.DATASET)).set_index("image_id")
            assert now["disputed"].to_dict() == {MISLABELED[0]: True, MISLABELED[1]: False}
            assert "ann: keep; bob: relabel" in now.loc[MISLABELED[0], "note"]
            open_view(shown, bobs, "decided")
            panel(shown).get_by_text("1 of 10 flagged images decided").wait_for()


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
