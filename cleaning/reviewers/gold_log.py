"""What reviewers answered about images with a known answer: a log of its own, for none of it is a decision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from typing_extensions import TypedDict

from imageclinic.cleaning.decisions import decision_log, known_images
from imageclinic.core import tables
from imageclinic.core.reading.hashing import text_digest
from imageclinic.core.reading.json_files import read_json
from imageclinic.core.run import Run


class _Placed(TypedDict):
    images: list[str]


def log_path(run: Run) -> Path:
    """The log, with the columns of the decision log."""
    return run.team / "gold.csv"


def read(run: Run) -> pd.DataFrame:
    """The log (tables.DECISION_LOG); empty when there is none."""
    return decision_log.read(log_path(run))


def judge(
    run: Run,
    image_ids: Sequence[str],
    decision: str,
    *,
    reviewer: str,
    labels: Sequence[str | None] | None = None,
    batch: str | None = None,
) -> None:
    """Append a reviewer's answer about images, see `person_decision.append`; `batch`: of the same key."""
    known = known_images.contents(known_images.rows_of(run, image_ids), image_ids)[["label", "sha256"]]
    events = []
    news: Sequence[str | None] = labels or [None] * len(image_ids)
    for image_id, new, (given, sha256) in zip(image_ids, news, known.itertuples(index=False), strict=True):
        actual = "keep" if decision == "relabel" and new == given else decision
        label = new if actual == "relabel" else None
        events.append((image_id, actual, label, reviewer, given, sha256, batch))
    names = ["image_id", "decision", "label", "reviewer", "given_label", "sha256", "batch"]
    run.team.mkdir(mode=0o700, exist_ok=True)
    decision_log.append(log_path(run), pd.DataFrame(events, columns=names))


def judged(run: Run, reviewer: str) -> pd.DataFrame:
    """What a reviewer's answers say now, see `decision_log.current`."""
    log = read(run)
    dataset = known_images.rows_of(run, log["image_id"]).dataset
    return decision_log.current(log[log["reviewer"].eq(reviewer)], dataset)


def placed(run: Run, reviewer: str) -> set[str]:
    """The images that are mixed into a reviewer's queue as it was opened last."""
    file = _placed_file(run, reviewer)
    return set(read_json(file, _Placed, fix="open the review again")["images"]) if file.is_file() else set()


def place(run: Run, reviewer: str, images: Sequence[str]) -> None:
    """Remember which images are mixed into a reviewer's queue."""
    if images or _placed_file(run, reviewer).is_file():
        run.team.mkdir(mode=0o700, exist_ok=True)
        tables.write_json(_placed_file(run, reviewer), {"images": list(images)})


def _placed_file(run: Run, reviewer: str) -> Path:
    return run.team / f"queue-{text_digest(reviewer, 8)}.json"
