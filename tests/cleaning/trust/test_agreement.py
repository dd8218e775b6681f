"""Agreement of reviewers: kappa by hand, first answers only, and what is no answer."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.trust import agreement
from imageclinic.core import tables

DATASET = tables.frame(
    tables.DATASET, image_id=[f"{n:02}" for n in range(30)], label="cat", bytes=[1] * 30, mtime_ns=[0] * 30
)


def decide(log: Path, reviewer: str, *answers: tuple[str, str, str | None]) -> None:
    rows = [(name, decision, label, reviewer) for name, decision, label in answers]
    decision_log.append(log, pd.DataFrame(rows, columns=["image_id", "decision", "label", "reviewer"]))


def test_kappa_is_agreement_beyond_chance() -> None:
    one, other = pd.Series(list("kkkkkkdddd")), pd.Series(list("kkkkddddkd"))
    found = agreement.kappa(one, other)
    by_chance = 0.6 * 0.5 + 0.4 * 0.5
    assert (found["images"], found["agreed"]) == (10, 7)
    assert found["kappa"] == pytest.approx((0.7 - by_chance) / (1 - by_chance))
    assert found["low"] < found["kappa"] < found["high"] < 1
    alike = agreement.kappa(one, one)
    assert (alike["kappa"], alike["high"]) == pytest.approx((1, 1)) and 0.2 < alike["low"] < 0.9, (
        "ten images prove little"
    )
    assert agreement.kappa(one[:6], one[:6])["kappa"] is None, "one answer only"


def test_first_answers_of_persons_count(tmp_path: Path) -> None:
    log = tmp_path / "decisions.csv"
    decide(log, "ann", ("00", "keep", None), ("01", "relabel", "dog"), ("02", "drop", None), ("03", "keep", None))
    decide(log, "bob", ("00", "keep", None), ("01", "relabel", "owl"), ("02", "unsure", None), ("04", "keep", None))
    decide(log, "bob", ("01", "relabel", "dog"))
    decide(log, "policy:accept", ("00", "drop", None))
    decide(log, "eve", ("00", "drop", None))
    decision_log.undo_batch(log, "eve")
    found = agreement.table(decision_log.read(log), DATASET)
    assert [(pair["reviewers"], pair["images"], pair["agreed"]) for pair in found] == [(["ann", "bob"], 2, 1)]
    assert "1 of 2" in agreement.line(found[0])


def test_labels_that_were_accepted_in_a_batch_are_no_answers(tmp_path: Path) -> None:
    log = tmp_path / "decisions.csv"
    decide(log, "ann", *((name, "relabel", "dog") for name in ("00", "01", "02")))
    unseen = [(name, "relabel", "dog", "bob", decision_log.AT_ONCE) for name in ("00", "01", "02")]
    decision_log.append(log, pd.DataFrame(unseen, columns=["image_id", "decision", "label", "reviewer", "note"]))
    assert agreement.table(decision_log.read(log), DATASET) == [], "bob has looked at none of them"
    decide(log, "bob", ("02", "keep", None))
    found = agreement.table(decision_log.read(log), DATASET)
    assert [(pair["images"], pair["agreed"]) for pair in found] == [(1, 0)]
