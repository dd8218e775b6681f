"""`imageclinic compare` as a command: Ctrl-C in the middle, and a run whose truth is known."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import imageclinic
from tests.cli.conftest import Run
from tests.conftest import picture

pytestmark = pytest.mark.slow


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "imageclinic", *map(str, arguments)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two datasets, train/… and test/…, of two classes: bright and dark pictures; the first has wrong labels and
    two more images."""
    home = tmp_path_factory.mktemp("data")
    for name, wrong, kept in (("before", 3, 14), ("after", 0, 13)):
        for split, count in (("train", kept), ("test", 5)):
            for at, label in enumerate(("bright", "dark")):
                for n in range(count):
                    image = picture(1000 * (split == "test") + 100 * at + n, (16, 16))
                    image = image.point(lambda v, at=at: v // 3 + (0 if at else 160))
                    shown = ("dark", "bright")[at] if split == "train" and n < wrong else label
                    path = home / name / split / shown / f"{label}{n}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    image.save(path)
    return home / "before", home / "after"


def test_ctrl_c_keeps_what_is_done_shows_it_and_the_rest_goes_on(
    folders: tuple[Path, Path], tmp_path: Path, run: Run
) -> None:
    to = tmp_path / "result"
    words = ("compare", *folders, "--model", "linear", "--size", 8, "--epochs", 1, "--to", to, "--seeds")
    process = subprocess.Popen(
        command(*words, 20), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 1200  # long, for a busy machine
        while len(list(to.glob("run-*.json"))) < 5 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    kept = {p.name: p.read_text("utf-8") for p in to.glob("run-*.json")}
    whole = len(kept) // 4  # original, corrected, cleaned, random removal
    assert whole >= 1
    assert f"Interrupted after {whole} of 20 seeds" in output
    assert "Accuracy after cleaning" in output
    assert "run the same command again" in errors
    assert not (to / "comparison.json").exists()
    assert not list(to.glob(".*"))  # nothing half-written

    again = run(*words, whole + 1, "--json")
    assert again.returncode == 0, again.stderr
    result = json.loads(again.stdout)
    assert result == json.loads((to / "comparison.json").read_text("utf-8"))
    assert len(result["seeds"]) == whole + 1
    now = {p.name: p.read_text("utf-8") for p in to.glob("run-*.json")}
    assert kept.items() <= now.items()  # as they were
    assert len(now) == 4 * (whole + 1)


def test_a_run_whose_truth_is_known_gets_a_random_review(folders: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    before, _ = folders
    to, truth = tmp_path / "run", tmp_path / "truth.csv"
    imageclinic.audit(before, to, checks=["exact_duplicate"], workers=1)
    ids = sorted(p.relative_to(before).as_posix() for p in before.rglob("*.png"))
    true = [Path(i).name.rstrip("0123456789.png") for i in ids]
    pd.DataFrame({"image_id": ids, "label": true}).to_csv(truth, index=False)
    wrong = [i for i, label in zip(ids, true, strict=True) if i.startswith("train/") and i.split("/")[1] != label]
    decided = pd.DataFrame(
        {"image_id": wrong, "decision": "relabel", "label": [Path(i).name.rstrip("0123456789.png") for i in wrong]}
    )
    decided.to_csv(tmp_path / "decided.csv", index=False)
    assert run("decide", to, "--from", tmp_path / "decided.csv", "--reviewer", "me").returncode == 0
    words = ("compare", to, "--model", "linear", "--size", 8, "--epochs", 1, "--seeds", 2, "--truth", truth, "--json")
    done = run(*words)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert list(result["arms"]) == ["original", "cleaned", "random_review"]  # nothing was dropped
    assert result["delta"]["random_review"]["original"]["low"] is not None
    assert "random review" in done.stderr
    assert result["arms"]["random_review"]["n_train"] == result["arms"]["original"]["n_train"]  # relabels alone
