"""From a folder to accuracy before and after, on a part of the sample data, through the Python API."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import imageclinic
from imageclinic import sample_data
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.predicted import tested_images
from imageclinic.core.run import open_run
from imageclinic.report.planted_truth import score
from imageclinic.workflows import decide

pytestmark = pytest.mark.slow

CLASSES = ("0", "1", "6", "7")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes of the sample data."""
    root = tmp_path_factory.mktemp("chain") / "digits"
    for split in ("train", "test"):
        for label in CLASSES:
            shutil.copytree(sample_data.IMAGES / split / label, root / split / label)
    return root


@pytest.fixture(scope="module")
def run(digits: Path) -> Path:
    return imageclinic.audit(digits, digits.parent / "run").run.path


def test_planted_faults_are_found(run: Path) -> None:
    issues = open_run(run).read(tables.ISSUES)
    truth = pd.read_csv(sample_data.PLANTED, dtype="str")
    here = truth["label"].isin(CLASSES) & ~(truth["check"] == "mislabeled") | truth["true_label"].isin(CLASSES)
    pair = truth["source_id"].fillna("//").str.split("/").str[1]
    whole = truth[here & truth["label"].isin(CLASSES) & (pair.isin(CLASSES) | pair.eq(""))]
    recall = score(issues, whole).set_index("check")["recall"]
    sure = [
        "corrupted",
        "exact_duplicate",
        "near_duplicate",
        "dark",
        "bright",
        "grayscale",
        "odd_size",
        "odd_aspect_ratio",
    ]
    assert recall[sure].min() == 1
    assert recall["mislabeled"] > 0.5


def test_predictions_are_out_of_fold_and_copies_share_a_fold(run: Path) -> None:
    opened = open_run(run)
    predictions, clusters = opened.read_predictions(), opened.read(tables.CLUSTERS)
    assert predictions.classes == CLASSES
    assert abs(predictions.pred_probs.sum(axis=1) - 1).max() < 1e-4
    folds = predictions.rows.merge(clusters, on="image_id").groupby("split_group")["fold"].nunique()
    assert len(folds) > 20
    assert folds.max() == 1


def test_a_second_audit_changes_nothing(run: Path, digits: Path) -> None:
    before = {p.name: p.read_bytes() for p in run.glob("*.parquet")}
    imageclinic.audit(digits, run)
    assert {p.name: p.read_bytes() for p in run.glob("*.parquet")} == before


def test_decide_export_verify_compare_report(run: Path, digits: Path, tmp_path: Path) -> None:
    files = {p: p.stat().st_mtime_ns for p in digits.rglob("*")}
    planned = imageclinic.decide(run, accept=["exact_duplicate", "mislabeled:0.9"], dry_run=True)
    assert not open_run(run).decisions.exists(), "a dry run writes nothing"
    events = imageclinic.decide(run, accept=["exact_duplicate", "mislabeled:0.9"])
    assert sorted(events["image_id"]) == sorted(planned["image_id"])
    assert set(events["decision"]) == {"drop", "relabel"}

    out = tmp_path / "clean"
    summary = imageclinic.export(run, out)
    assert all(p["ok"] for p in summary["proofs"]), summary["proofs"]
    manifest = tables.read_csv(out / "manifest.csv", tables.MANIFEST)
    dropped = set(events.loc[events["decision"] == "drop", "image_id"])
    assert not dropped & set(manifest["image_id"])
    relabelled = events[events["decision"] == "relabel"].set_index("image_id")["label"]
    assert manifest.set_index("image_id").loc[relabelled.index, "label"].to_dict() == relabelled.to_dict()
    frozen = open_run(run).read(tables.SPLIT_TABLE).set_index("image_id")["split"]
    test = manifest[manifest["image_id"].map(frozen) == "test"]
    assert (test["split"] == "test").all(), "frozen test images stay test"
    with pytest.raises(InputError, match="is there already"):
        imageclinic.export(run, out)

    same = imageclinic.export(run, tmp_path / "again")
    assert all(p["ok"] for p in same["proofs"])
    assert imageclinic.diff(out, tmp_path / "again").empty
    (tmp_path / "again" / manifest["path"][0]).write_bytes(b"tampered")
    proofs = imageclinic.verify(tmp_path / "again").set_index("name")["ok"]
    assert not proofs["hashes"]

    result = imageclinic.compare(run, seeds=2)
    assert set(result["arms"]) >= {"original", "cleaned", "random_removal"}
    assert [step["kind"] for step in result["steps"]] in (["copies", "labels"], [])
    assert json.loads(open_run(run).comparison.read_text()) == json.loads(json.dumps(result))
    assert result["verdict"]
    named = open_run(run).read(tested_images.TEST_PREDICTIONS)
    for side, arm in (("before", result["baseline"]), ("after", "cleaned")):
        of_side = named[named["side"] == side]
        right = (of_side["label"] == of_side["predicted"]).groupby(of_side["seed"]).mean().tolist()
        assert right == pytest.approx(result["arms"][arm]["original"]["accuracy"])
    two = imageclinic.export(run, tmp_path / "other", seed=1)
    assert two["images"] == summary["images"]
    assert imageclinic.compare(out, tmp_path / "other", seeds=2)["n_test"] > 0

    metrics = imageclinic.train(out, epochs=1)
    model = tmp_path / "clean-model"
    named = tables.read(model / tested_images.TEST_PREDICTIONS.file, tested_images.TEST_PREDICTIONS)
    assert set(named["image_id"]) == set(manifest.loc[manifest["split"] == "test", "image_id"])
    assert (named["label"] == named["predicted"]).mean() == pytest.approx(metrics["test"]["accuracy"])
    assert (tmp_path / "clean-model" / "model.keras").is_file()
    assert all(imageclinic.verify(out)["ok"]), "training leaves the export alone"
    page = imageclinic.report(model).read_text("utf-8")
    right = metrics["test"]["accuracy"]
    assert f"{100 * right:.1f} % of {len(named):,} test images right" in page and metrics["export"] == "../clean"
    assert page.count("<img src=") > 0 and "imageclinic review" not in page

    report = imageclinic.report(run).read_text("utf-8")
    assert "Mislabeled" in report
    assert result["verdict"].split(":")[0] in report
    assert {p: p.stat().st_mtime_ns for p in digits.rglob("*")} == files


def test_undo_takes_a_policy_back(run: Path) -> None:
    before = imageclinic.status(run)["decisions"]
    made = imageclinic.decide(run, accept=["dark"])
    assert imageclinic.status(run)["decisions"] != before
    taken = imageclinic.decide(run, undo=True)
    assert set(taken["image_id"]) == set(made["image_id"])
    assert imageclinic.status(run)["decisions"] == before


def test_a_whole_policy_is_taken_back(run: Path) -> None:
    before = imageclinic.status(run)["decisions"]
    made = [imageclinic.decide(run, accept=[check]) for check in ("bright", "odd_size")]
    taken = imageclinic.decide(run, undo=True, every=True)
    assert set(taken["image_id"]) >= {i for events in made for i in events["image_id"]}
    assert sum(imageclinic.status(run)["decisions"].values()) <= sum(before.values())
    with pytest.raises(InputError, match="--undo --all"):
        imageclinic.decide(run, accept=["bright"], every=True)


def test_a_dry_run_counts_classes_as_the_export_will(run: Path, tmp_path: Path) -> None:
    plain = imageclinic.export(run, tmp_path / "plain")
    events = imageclinic.decide(run, accept=["mislabeled:0.9", "odd_size"], dry_run=True)
    counts = decide.class_counts(run, events).set_index("label")
    assert len(counts)
    assert (counts["change"] == counts["after"] - counts["before"]).all()
    imageclinic.decide(run, accept=["mislabeled:0.9", "odd_size"])
    imageclinic.export(run, tmp_path / "cleaned")
    imageclinic.decide(run, undo=True)
    assert plain["images"] > 0
    for name, column in (("plain", "before"), ("cleaned", "after")):
        labels = tables.read_csv(tmp_path / name / "manifest.csv", tables.MANIFEST)["label"].value_counts()
        assert labels[counts.index].to_dict() == counts[column].to_dict()


def test_rerank_scores_with_the_decisions(run: Path) -> None:
    predictions = open_run(run).read_predictions().rows.set_index("image_id")["label_quality"]
    truth = pd.read_csv(sample_data.PLANTED, dtype="str")
    wrong = truth[(truth["check"] == "mislabeled") & truth["true_label"].isin(CLASSES) & truth["label"].isin(CLASSES)]
    image, label = wrong[["image_id", "true_label"]].iloc[0]
    table = run.parent / "fixed.csv"
    pd.DataFrame([{"image_id": image, "decision": "relabel", "label": label}]).to_csv(table, index=False)
    imageclinic.decide(run, source=table, reviewer="ann")
    path, scores = imageclinic.rerank(run)
    assert path.name == "rerank-0001.parquet"
    after = tables.read(path, tables.RERANK).set_index("image_id")
    pd.testing.assert_frame_equal(after.reset_index(), scores)
    assert after.loc[image, "label_quality"] > predictions[image] + 0.3, "the fixed label fits"
    assert imageclinic.rerank(run)[0].name == "rerank-0002.parquet", "earlier scores are kept"
