"""What an audit found, as causes of a diagnosis: of a run with a leak, before and after it is repaired."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

import imageclinic
from imageclinic.training.diagnose import causes
from imageclinic.training.diagnose.results import Effect, Result
from imageclinic.workflows.steps import audit_causes
from imageclinic.workflows.steps.run_state import load
from tests.conftest import picture


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes; four of eight test images are in train as well."""
    root = tmp_path_factory.mktemp("leaky") / "data"
    for split, count in (("train", 6), ("test", 4)):
        for at, label in enumerate(("cat", "dog")):
            (root / split / label).mkdir(parents=True)
            for n in range(count):
                picture(1000 * (split == "test") + 100 * at + n, (32, 32)).save(root / split / label / f"{n}.png")
    for label in ("cat", "dog"):
        for n in (0, 1):
            shutil.copy(root / "test" / label / f"{n}.png", root / "train" / label / f"twin{n}.png")
    checks = ["exact_duplicate", "split_leakage"]
    return imageclinic.audit(root, root.with_name("run"), checks=checks, workers=1).run.path


def test_a_leak_is_a_fault_with_its_evidence_until_it_is_repaired(run: Path, tmp_path: Path) -> None:
    (found,) = audit_causes.find(load(run))
    assert (found.cause, found.fault, found.severity) == ("duplicates_and_leakage", True, 0.5)
    assert "4 of 8 test images" in found.evidence
    assert str(run) in found.remedy

    repaired = shutil.copytree(run, tmp_path / "run")
    twins = [f"train/{label}/twin{n}.png" for label in ("cat", "dog") for n in (0, 1)]
    decided = pd.DataFrame({"image_id": twins[:2], "decision": "drop", "label": None})
    decided.to_csv(tmp_path / "decided.csv", index=False)
    imageclinic.decide(repaired, source=tmp_path / "decided.csv", reviewer="me")
    (left,) = audit_causes.find(load(repaired))
    assert (left.severity, "2 of 8 test images" in left.evidence) == (0.25, True)
    decided.assign(image_id=twins[2:]).to_csv(tmp_path / "decided.csv", index=False)
    imageclinic.decide(repaired, source=tmp_path / "decided.csv", reviewer="me")
    assert audit_causes.find(load(repaired)) == []


def test_findings_rank_by_severity_among_gains_and_are_joined_with_what_was_measured() -> None:
    audited = (
        Effect("shortcut", None, None, None, "by width", "", True, 0.4),
        Effect("label_noise", None, None, None, "the audit says so", "", severity=0.05),
        Effect("split_shift", None, None, None, "", "", severity=0.08),
        Effect("class_imbalance", None, None, None, "", "", severity=0.009),
    )
    measured = (Effect("label_noise", 0.2, 0.1, 0.3, "measured", ""), Effect("augmentation", 0.06, 0.05, 0.07, "", ""))
    results = {"audit": Result("", audited), "label_noise": Result("", measured)}
    ranked = causes.causes(results)
    assert [c["cause"] for c in ranked] == ["shortcut", "label_noise", "split_shift", "augmentation"]
    assert ranked[1]["evidence"] == "measured the audit says so"
    assert (ranked[1]["estimated_gain"], ranked[1]["severity"], ranked[2]["severity"]) == (20, 5, 8)
    assert "8.0 points" in causes.points(ranked[2])
    assert causes.healthy({"audit": Result("", audited[2:])}, 0) is False
    assert causes.healthy({"audit": Result("", audited[3:])}, 0) is True


def test_what_nothing_can_tell_is_possible_and_no_cause() -> None:
    untold = Effect("label_noise", None, None, None, "up to 40 %", "review", severity=0.4, certain=False)
    sure = Effect("augmentation", 0.06, 0.05, 0.07, "", "")
    results = {"audit": Result("", (untold,)), "augmentation": Result("", (sure,))}
    named, perhaps = causes.causes(results), causes.possible(results)
    assert [c["cause"] for c in named] == ["augmentation"]
    assert [(c["cause"], c["severity"]) for c in perhaps] == [("label_noise", 40)]
    verdict = causes.verdict(named, perhaps, False, 0, 0.6)
    assert verdict.index("augmentation") < verdict.index("label noise") and "40.0 points" in verdict
    assert causes.healthy({"audit": Result("", (untold,))}, 0) is not False
