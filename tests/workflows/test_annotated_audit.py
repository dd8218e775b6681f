"""An audit of images that several people labelled, and what comes after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import imageclinic
from benchmarks import annotators
from imageclinic.core import tables
from imageclinic.core.run import open_run
from tests.conftest import picture

NAMES = ["<img src=x onerror=alert(1)>", "=bob", "cy"]
CHECKS = ["annotator_disagreement", "mislabeled"]


def manifest() -> pd.DataFrame:
    """Sixteen pictures; all agree but on dog/0 and dog/1, and the second calls half of the cats dogs."""
    paths = [f"{kind}/{n}.png" for kind in ("cat", "dog") for n in range(8)]
    truth = np.array([path[:3] for path in paths], dtype=object)
    first, second, third = truth.copy(), truth.copy(), truth.copy()
    second[:4] = "dog"
    first[8:10] = third[8] = "cat"
    wide = {f"annotator:{name}": said for name, said in zip(NAMES, (first, second, third), strict=True)}
    return pd.DataFrame({"path": paths, **wide})


def predicted(frame: pd.DataFrame) -> pd.DataFrame:
    dog = frame["path"].str.startswith("dog")
    return pd.DataFrame({"image_id": frame["path"], "cat": np.where(dog, 0.1, 0.9), "dog": np.where(dog, 0.9, 0.1)})


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("annotated")
    root = place / "pets"
    for n, path in enumerate(manifest()["path"]):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        picture(n).save(root / path)
    frame = manifest()
    run = imageclinic.audit(
        frame, place / "run", root=root, checks=CHECKS, pred_probs=predicted(frame), workers=1
    ).run.path
    imageclinic.report(run)
    return run


def test_the_consensus_is_the_label_and_what_is_unsure_is_found(audited: Path) -> None:
    run = open_run(audited)
    dataset = run.read(tables.DATASET).set_index("image_id")
    assert dataset.loc["dog/0.png", "label"] == "cat" and dataset.loc["dog/1.png", "label"] == "dog"
    assert len(run.read(tables.ANNOTATIONS)) == 48
    consensus = run.read(tables.CONSENSUS).set_index("image_id")
    assert consensus["labels"].eq(3).all() and consensus["ask"].isna().all()
    assert consensus["wrong"].idxmax() == "dog/0.png" and consensus.loc["dog/0.png", "likeliest"] == "dog"
    issues = run.read(tables.ISSUES)
    found = issues[issues["check"] == "annotator_disagreement"]
    assert found["image_id"].iloc[0] == "dog/0.png" and found["suggested_label"].iloc[0] == "dog"
    quality = run.read_predictions().rows.set_index("image_id")["label_quality"]
    np.testing.assert_allclose(quality, 1 - consensus["wrong"].reindex(quality.index), atol=1e-3)


def test_an_unchanged_audit_keeps_what_is_known_of_the_annotators(audited: Path) -> None:
    run, frame = open_run(audited), manifest()
    lines: list[str] = []
    before = run.read(tables.CONSENSUS), run.info()["annotators"]
    imageclinic.audit(
        frame, audited, root=run.root, checks=CHECKS, pred_probs=predicted(frame), workers=1, say=lines.append
    )
    assert any("nothing has changed" in line for line in lines)
    pd.testing.assert_frame_equal(run.read(tables.CONSENSUS), before[0])
    assert run.info()["annotators"] == before[1] != []


def test_annotators_are_in_the_run_and_the_report_worst_first_and_harmless(audited: Path) -> None:
    known = open_run(audited).info()["annotators"]
    assert [a["annotator"] for a in known] == ["=bob", *sorted({*NAMES} - {"=bob"}, key=NAMES.index)]
    worst = known[0]
    assert worst["labels"] == 16 and worst["confusion"][:2] == ["cat", "dog"]
    assert worst["low"] < worst["quality"] < worst["high"]
    page = (audited / "report.html").read_text("utf-8")
    assert 'id="annotators"' in page and "&lt;img src=x" in page and "<img src=x" not in page


def test_status_and_export_go_on_as_usual(audited: Path, tmp_path: Path) -> None:
    assert imageclinic.status(audited)["flagged"] >= 1
    imageclinic.export(audited, tmp_path / "out")
    exported = pd.read_csv(tmp_path / "out" / "manifest.csv")
    assert len(exported) == 16


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ([], "not known who gave"),
        (NAMES[:1], "by one annotator"),
    ],
)
def test_without_several_annotators_the_check_says_why(
    audited: Path, tmp_path: Path, columns: list[str], reason: str
) -> None:
    frame = manifest()
    keep = frame[["path", *(f"annotator:{name}" for name in columns)]]
    if not columns:
        keep = keep.assign(label=[path[:3] for path in frame["path"]])
    root = open_run(audited).root
    result = imageclinic.audit(keep, tmp_path / "run", root=root, checks=CHECKS, pred_probs=predicted(frame), workers=1)
    outcome = result.outcomes.set_index("check").loc["annotator_disagreement"]
    assert outcome["outcome"] == "not_applicable" and reason in outcome["reason"]
    assert result.run.info()["annotators"] == [] and not result.run.has(tables.CONSENSUS)


@pytest.mark.slow
def test_rerank_knows_the_annotators(audited: Path, tmp_path: Path) -> None:
    frame = manifest()
    dog = frame["path"].str.startswith("dog").to_numpy(float)
    vectors = np.random.default_rng(0).normal(0, 0.1, (16, 4)) + dog[:, None]
    given = pd.DataFrame({"image_id": frame["path"], "embedding": list(vectors)})
    run = imageclinic.audit(
        frame, tmp_path / "run", root=open_run(audited).root, checks=CHECKS, embeddings=given, workers=1
    ).run.path
    _, scores = imageclinic.rerank(run)
    assert scores["image_id"].iloc[0] == "dog/0.png" and scores["label_quality"].iloc[0] < 0.5


def test_the_benchmark_gives_all_methods_the_same_labels_and_predictions(audited: Path) -> None:
    frame = manifest()
    data = frame.rename(columns=lambda name: name.removeprefix("annotator:")).assign(truth=frame["path"].str[:3])
    methods, truth, labels = annotators.judge(data, NAMES, open_run(audited))
    assert labels.shape == (16, 3) and len(truth) == 16
    by_name = {method.name: method for method in methods}
    right = {name: (method.consensus == truth).mean() for name, method in by_name.items()}
    assert right["ours, likeliest"] == right["cleanlab"] == 1
    assert right["ours, given"] == right["majority"] == 15 / 16
