"""What the last diagnosis reached: kept, read again, and the order that follows from it."""

from __future__ import annotations

from pathlib import Path

from imageclinic.training.diagnose import experiments, ladder, resume
from imageclinic.training.diagnose.resume import Earlier


def test_what_was_not_reached_is_remembered_and_runs_count_for_the_same_data_alone(tmp_path: Path) -> None:
    file = tmp_path / "runs" / "last.json"
    assert resume.read(file, "a") == Earlier()
    resume.write(file, "a", ["capacity"], ["gap", "copies"])
    assert resume.read(file, "a") == Earlier(frozenset({"capacity"}), frozenset({"gap", "copies"}))
    assert resume.read(file, "b") == Earlier(frozenset({"capacity"}), frozenset())
    file.write_text("{", "utf-8")
    assert resume.read(file, "a") == Earlier()


def test_what_was_not_reached_comes_first_after_what_settles_the_recipe() -> None:
    known = experiments.load()
    names = list(known)
    assert list(resume.ordered(known, ladder.SETTLING, Earlier())) == names
    after = list(resume.ordered(known, ladder.SETTLING, Earlier(frozenset({"signals", "capacity", "copies"}))))
    start = names.index(ladder.SETTLING) + 1
    assert after[:start] == names[:start]
    assert after[start : start + 2] == ["capacity", "signals"]
    assert sorted(after) == sorted(names)


def test_unreached_is_what_had_no_time_and_not_what_had_nothing_to_try() -> None:
    left = {
        "capacity": "the budget: it takes about 9 s, and 0 s are left",
        "signals": "not reached",
        "loss": f"{ladder.NOTHING}: no model of yours",
        **ladder.OUT_OF_SIGHT,
    }
    assert ladder.unreached({"not_tested": left}) == ["capacity", "signals"]
