"""What goes on beside the App: words about the flags, and labels ranked again after a batch of decisions."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from imageclinic.cleaning.decisions import label_ranking, person_decision
from imageclinic.cleaning.review import background_work, map_work
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.run import Run
from tests.helpers.review_run import MISLABELED, make_run, write_map

IMAGES = [f"cat/{n:02d}.png" for n in range(6)]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = make_run(tmp_path)
    for path in (made.embeddings, made.predictions):  # that there are any is all that is asked here
        path.touch()
    return made


def decide(run: Run, times: int) -> None:
    for n in range(times):
        person_decision.append(run, [IMAGES[n % 6]], "keep", reviewer="ann")


def rank(run: Run, number: int, rows: int, quality: dict[str, float]) -> None:
    scores = tables.frame(
        tables.RERANK,
        image_id=list(quality),
        label_quality=list(quality.values()),
        suggested_label=["cat"] * len(quality),
    )
    tables.write(run.rerank(number), scores, tables.RERANK, {"decisions": str(rows)})


def steps(beside: object, until: object) -> None:
    deadline = time.monotonic() + 60
    while not until():  # type: ignore[operator]
        assert time.monotonic() < deadline
        next(beside)  # type: ignore[call-overload]
        time.sleep(0.01)


def test_words_are_written_when_the_log_has_grown(run: Run) -> None:
    answers = iter([{"lines": ["first"], "rows": []}, {"lines": ["second"], "rows": []}])
    beside = background_work.attend(run, words=lambda: next(answers), rerank=[sys.executable, "-c", ""], announce=print)
    with contextlib.closing(beside):
        for _ in range(20):
            next(beside)
        assert json.loads(background_work.words_file(run).read_text("utf-8")) == {"lines": ["first"], "rows": []}
        decide(run, 1)
        steps(beside, lambda: "second" in background_work.words_file(run).read_text("utf-8"))


def test_a_batch_of_decisions_ranks_again_once_and_says_when_it_fails(run: Run, tmp_path: Path) -> None:
    mark, lines = tmp_path / "mark", list[str]()
    code = f"open({str(mark)!r}, 'a').write('x'); print('no memory'); raise SystemExit(1)"
    beside = background_work.attend(run, words=dict, rerank=[sys.executable, "-c", code], announce=lines.append)
    with contextlib.closing(beside):
        decide(run, background_work.BATCH - 1)
        for _ in range(20):
            next(beside)
        assert not mark.exists()
        decide(run, 1)
        steps(beside, lambda: lines)
        assert "could not be ranked again: no memory" in lines[0]
        decide(run, 1)
        for _ in range(20):
            next(beside)
        assert mark.read_text() == "x", "a failure is not repeated until the next batch"


def test_scores_that_know_the_log_are_new_enough(run: Run, tmp_path: Path) -> None:
    decide(run, background_work.BATCH)
    rank(run, 1, background_work.BATCH, {IMAGES[0]: 0.5})
    mark = tmp_path / "mark"
    command = [sys.executable, "-c", f"open({str(mark)!r}, 'a')"]
    with contextlib.closing(background_work.attend(run, words=dict, rerank=command, announce=print)) as beside:
        for _ in range(20):
            next(beside)
        time.sleep(0.3)
    assert not mark.exists()


def test_a_log_that_cant_be_read_is_reported(run: Run) -> None:
    def words() -> dict[str, list[str]]:
        raise InputError("bad row", expected="a good one")

    lines: list[str] = []
    with contextlib.closing(
        background_work.attend(run, words=words, rerank=["/bin/true"], announce=lines.append)
    ) as beside:
        next(beside)
    assert "bad row" in lines[0]


def test_the_newest_scores_count_and_the_audits_fill_in(run: Run) -> None:
    assert label_ranking.newest(run) is None and label_ranking.known_rows(None) == 0
    rank(run, 1, 20, {MISLABELED[0]: 0.2})
    rank(run, 2, 40, {MISLABELED[0]: 0.9, IMAGES[0]: 0.1})
    latest = label_ranking.newest(run)
    assert latest == run.rerank(2) and label_ranking.known_rows(latest) == 40
    doubt = label_ranking.doubt(run.read(tables.ISSUES), tables.read(run.rerank(2), tables.RERANK))
    assert doubt[MISLABELED[0]] == pytest.approx(0.1)
    assert doubt[MISLABELED[1]] == pytest.approx(0.89)
    assert IMAGES[0] not in doubt


class Server:
    """Shows a map at the second look, or says why not."""

    def __init__(self, error: str = "") -> None:
        self.error, self.looks = error, -1

    def show_map(self) -> None:
        self.looks = 0

    def map_error(self) -> str | None:
        self.looks += 1
        return self.error if self.looks > 1 else None


def work_on_the_map(run: Run, server: Server, command: Sequence[str]) -> list[str]:
    run.review.mkdir(exist_ok=True)
    lines: list[str] = []
    for _ in map_work.make_and_show(run, server, command, lines.append):
        time.sleep(0.05)
    return lines


def test_a_map_that_is_there_is_shown_and_nothing_is_made(run: Run) -> None:
    tables.write_vectors(run.embeddings, {"image_id": IMAGES}, "embedding", np.eye(len(IMAGES), dtype=np.float32))
    server = Server()
    assert work_on_the_map(run, server, []) == [] and server.looks == -1, "no map, and nothing that makes one"
    lines = work_on_the_map(run, server, [sys.executable, "-c", "raise SystemExit('no room')"])
    assert len(lines) == 1 and "no room" in lines[0] and "map.log" in lines[0] and server.looks == -1
    write_map(run, IMAGES)
    assert work_on_the_map(run, server, ["/bin/false"]) == [] and server.looks == 2
    assert "out of memory" in work_on_the_map(run, Server("out of memory"), [])[0]
