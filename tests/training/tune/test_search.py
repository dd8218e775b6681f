"""Hyperparameter search: space, study, the end on the test images, and what is refused."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from imageclinic.core import tables
from imageclinic.core.errors import Failed, InputError
from imageclinic.training.fit import export_images
from imageclinic.training.fit.settings import Settings
from imageclinic.training.tune import importance, search, search_space, search_summary, studies
from imageclinic.workflows import tune as tuning

pytestmark = pytest.mark.slow

QUICK: dict[str, Any] = {"model": "linear", "epochs": 3, "size": 8, "mirror": "no", "seeds": 0, "prune": "none"}
RATES = "learning_rate=0.001:0.1"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export of 150 zeros, ones and twos."""
    images, labels = load_digits(return_X_y=True)
    out, rows = tmp_path / "out", []
    for number in np.flatnonzero(labels < 3)[:150]:
        split = ("train", "train", "train", "val", "test")[number % 5]
        path = out / split / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((images[number].reshape(8, 8) * 15).astype(np.uint8)).save(path)
        label = f"digit {labels[number]}"
        rows.append((path.name, f"{split}/{path.name}", label, label, split, path.name, str(number), "keep", None))
    tables.write_csv(
        out / "manifest.csv",
        pd.DataFrame(rows, columns=[n for n in tables.MANIFEST.names if n != "class_index"]),
        tables.MANIFEST,
    )
    return out


def load(export: Path, settings: Settings) -> export_images.ExportImages:
    return export_images.load(export, settings, as_arrays=True, mirror_seed=0)


def folder(export: Path) -> Path:
    return export.with_name("out-tune")


def study_of(export: Path, name: str = "imageclinic") -> optuna.Study:
    return optuna.load_study(study_name=name, storage=f"sqlite:///{folder(export) / 'study.db'}")


def test_the_best_is_chosen_on_validation_images_and_tested_once(export: Path) -> None:
    for image in (export / "test").iterdir():  # would fail the search if it were read
        image.rename(image.with_suffix(".away"))
    first = tuning.tune(export, over=[RATES, "batch_size=16,32"], trials=2, **QUICK)
    for image in (export / "test").iterdir():
        image.rename(image.with_suffix(".png"))
    assert first["final"] is None
    assert first["counts"]["finished"] == 2
    best = max(first["trials"], key=lambda row: (row["val_accuracy"], -row["trial"]))
    assert first["best"] == {
        "trial": best["trial"],
        "options": best["options"],
        "val_accuracy": best["val_accuracy"],
    }

    result = tuning.tune(export, over=[RATES, "batch_size=16,32"], trials=2, **QUICK | {"seeds": 2})
    assert result["trials"] == first["trials"]  # the study was whole: no trial more
    final = result["final"]
    assert final["tested"] == 2
    assert len(final["best"]["test_accuracy"]) == 2
    assert np.mean(final["best"]["test_accuracy"]) == pytest.approx(final["best"]["test"]["estimate"])
    gain = np.mean(final["best"]["test_accuracy"]) - np.mean(final["usual"]["test_accuracy"])
    assert final["gain"]["estimate"] == pytest.approx(gain)
    assert final["gain"]["low"] <= final["gain"]["estimate"] <= final["gain"]["high"]
    assert final["optimism"]["estimate"] == pytest.approx(best["val_accuracy"] - final["best"]["test"]["estimate"])
    assert json.loads((folder(export) / "tuning.json").read_text("utf-8")) == result
    assert "too few to tell" in " ".join(result["words"])
    page = (folder(export) / "tuning.html").read_text("utf-8")
    assert page.count('class="trial finished" style') == 2 * 3  # in the history and in a panel a hyperparameter
    assert result["command"] in page
    assert not [p for p in folder(export).rglob("*") if p.suffix in (".tmp", ".pkl")]


def test_trials_are_balanced_as_the_export_or_the_user_says(export: Path) -> None:
    file = export / "manifest.csv"
    manifest = tables.read_csv(file, tables.MANIFEST)
    lost = manifest.index[manifest["split"].eq("train") & manifest["label"].eq("digit 0")][5:]
    tables.write_csv(file, manifest.drop(lost), tables.MANIFEST)
    settings = Settings(**{name: QUICK[name] for name in ("model", "epochs", "size", "mirror")})
    plain = load(export, settings)
    assert plain.class_weight is None
    shown = load(export, replace(settings, balance="sampling"))
    learnt_from = shown.parts["train"].learnt_from(settings)
    assert len(set(np.bincount(learnt_from[1]))) == 1
    assert len(learnt_from[0]) == len(learnt_from[1])
    assert len(shown.parts["val"].labels) == len(plain.parts["val"].labels)
    assert load(export, replace(settings, balance="weights")).class_weight is not None
    classes = [f"digit {n}" for n in range(3)]
    (export / "class_weights.json").write_text(json.dumps({"classes": classes, "weights": [3.0, 1.0, 1.0]}))
    weighted = load(export, settings)
    assert weighted.class_weight == {0: 3.0, 1: 1.0, 2: 1.0}
    assert len({plain.digest, shown.digest, weighted.digest}) == 3, "studies of other training images"
    assert load(export, replace(settings, balance="none")).class_weight is None


def test_the_command_trains_the_best(export: Path) -> None:
    from typer.testing import CliRunner

    from imageclinic.cli.app import app

    result = tuning.tune(export, over=[RATES, "optimizer=sgd", "batch_size=16"], trials=1, **QUICK)
    assert "--optimizer sgd" in result["command"]
    assert "--batch-size 16" in result["command"]
    arguments = result["command"].split()[1:]
    ran = CliRunner().invoke(app, [*arguments, "--json"])
    assert ran.exit_code == 0
    settings = json.loads((export.with_name("out-model") / "metrics.json").read_text("utf-8"))["settings"]
    assert settings["learning_rate"] == pytest.approx(result["best"]["options"]["learning_rate"], rel=1e-5)
    assert settings["optimizer"] == "sgd"


def test_a_grid_is_tried_whole_and_only_once(export: Path) -> None:
    over = ["learning_rate=0.01,0.1", "optimizer=sgd", "batch_size=32"]
    result = tuning.tune(export, over=over, trials=30, search="grid", **QUICK)
    points = {tuple(row["options"].values()) for row in result["trials"]}
    assert len(result["trials"]) == len(points) == 2


def test_bad_trials_end_early(export: Path) -> None:
    over = ["learning_rate=0.1,0.05,0.03,0.02,0.01,0.005,0.0000001,0.0000002,0.0000003,0.0000004"]
    how = QUICK | {"prune": "hyperband", "epochs": 9}
    result = tuning.tune(export, over=over, trials=30, search="grid", **how)
    ended = [row for row in result["trials"] if row["state"] == "pruned"]
    assert ended and all(row["epochs"] < 9 for row in ended)
    assert result["counts"]["pruned"] == len(ended) and result["counts"]["failed"] == 0
    assert result["best"]["options"]["learning_rate"] >= 0.005


def test_failed_trials_are_recorded_and_do_not_stop_the_search(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over = ["learning_rate=100,0.01"]
    result = tuning.tune(export, over=over, trials=30, search="grid", **QUICK)
    states = {row["options"]["learning_rate"]: row for row in result["trials"]}
    assert states[100]["state"] == "failed"
    assert "below 100" in states[100]["reason"]
    assert states[0.01]["state"] == "finished"
    monkeypatch.setattr(search, "_ALL_FAIL", 2)
    with pytest.raises(Failed, match=r"first 2 trials all failed.*100"):
        tuning.tune(export, over=["learning_rate=100"], trials=9, search="random", name="hopeless", **QUICK)


def test_ctrl_c_keeps_what_is_done_and_the_trial_is_done_again(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, calls = search.train_network.run, [0]

    def interrupted(*given: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        return run(*given, **options)

    monkeypatch.setattr(search.train_network, "run", interrupted)
    with pytest.raises(search.Interrupted) as stop:
        tuning.tune(export, over=[RATES], trials=3, **QUICK)
    assert stop.value.result is not None
    assert stop.value.result["counts"] == {"finished": 1, "pruned": 0, "failed": 0, "interrupted": 1, "running": 0}
    assert json.loads((folder(export) / "tuning.json").read_text("utf-8"))["counts"]["finished"] == 1
    result = tuning.tune(export, over=[RATES], trials=3, **QUICK)
    assert result["counts"]["finished"] == 3
    lost, again = (result["trials"][n]["options"] for n in (1, 2))
    assert lost == again


def test_a_killed_process_leaves_no_trial_running(export: Path) -> None:
    tuning.tune(export, over=[RATES], trials=1, **QUICK)
    study = study_of(export)
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    for process in (int(dead.stdout), os.getpid()):
        trial = study.ask({"learning_rate": optuna.distributions.FloatDistribution(0.001, 0.1, log=True)})
        trial.set_user_attr(studies.WORKER, [studies.worker()[0], process])
    assert studies.recover(study) == 1
    assert studies.recover(study) == 0  # once only
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "FAIL", "RUNNING", "WAITING"]
    assert study.trials[3].params == study.trials[1].params


def test_nothing_in_the_study_is_pickled(export: Path) -> None:
    tuning.tune(export, over=[RATES, "augment"], trials=2, **QUICK)
    with sqlite3.connect(folder(export) / "study.db") as base:
        names = [row[0] for row in base.execute("select name from sqlite_master where type = 'table'")]
        cells = [cell for name in names for row in base.execute(f"select * from {name}") for cell in row]
    base.close()
    assert len(cells) > 20
    assert not [cell for cell in cells if isinstance(cell, bytes)]


def test_a_study_of_other_images_or_another_space_is_refused(export: Path) -> None:
    tuning.tune(export, over=[RATES], trials=1, **QUICK)
    with pytest.raises(InputError, match=r"another space \(learning_rate, dropout\).*--name"):
        tuning.tune(export, over=["learning_rate=0.01:0.1", "dropout"], trials=1, **QUICK)
    with pytest.raises(InputError, match=r"other settings \(epochs\)"):
        tuning.tune(export, over=[RATES], trials=1, **QUICK | {"epochs": 4})
    manifest = tables.read_csv(export / "manifest.csv", tables.MANIFEST)
    tables.write_csv(export / "manifest.csv", manifest.iloc[1:], tables.MANIFEST)
    with pytest.raises(InputError, match="other images"):
        tuning.tune(export, over=[RATES], trials=1, **QUICK)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"over": ["momentum"]}, "unknown hyperparameter 'momentum'.*learning_rate, batch_size"),
        ({"over": ["dropout=0.1:1"]}, "'1'.*a number from 0, below 1"),
        ({"over": ["learning_rate=0.1:0.01"]}, "a lower and then a higher"),
        ({"over": ["learning_rate=fast"]}, "'fast'.*a number above 0"),
        ({"over": ["batch_size=8.5"]}, "batch_size=8.5.*a whole number from 1"),
        ({"over": ["optimizer=sgd,adagrad"]}, "unknown optimizer 'adagrad'.*adamw, sgd, rmsprop"),
        ({"over": ["l2", "l2"]}, "names l2 twice"),
        ({"search": "magic"}, "unknown search 'magic'.*tpe, gp, random, grid"),
        ({"prune": "all"}, "unknown pruner 'all'.*median, hyperband, none"),
        ({"trials": 0}, "trials 0.*a whole number from 1"),
        ({"seeds": 1}, "seeds 1.*0, for no test, or at least 2"),
        ({"budget": float("nan")}, "budget nan.*a number above 0"),
        ({"budget": 1e-6}, "budget of 1e-06 minutes.*larger --budget"),
        ({"seed": -1}, "seed -1.*a whole number from 0"),
        ({"model": "vgg"}, "unknown model 'vgg'"),
        ({"mirror": "perhaps"}, "mirror 'perhaps'.*auto, yes, no"),
        ({"epochs": 0}, "epochs 0.*a whole number from 1"),
        ({"size": 4}, "size 4.*a whole number from 8"),
        ({"study": "sqlite://"}, "can't be kept in sqlite://"),
        ({"to": "odd%20name"}, "no %"),
        ({"study": "nonsense"}, "nonsense can't be used"),
        ({"study": "mongodb://user:secret@host/x"}, r"mongodb://user:\*\*\*@host/x can't be used"),
    ],
)
def test_bad_input_is_explained(export: Path, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        tuning.tune(export, **{"over": [RATES], "trials": 1} | QUICK | options)


def test_an_export_without_validation_images(export: Path) -> None:
    manifest = tables.read_csv(export / "manifest.csv", tables.MANIFEST)
    tables.write_csv(export / "manifest.csv", manifest[manifest["split"] != "val"], tables.MANIFEST)
    with pytest.raises(InputError, match="no val images"):
        tuning.tune(export, over=[RATES], trials=1, **QUICK)
    assert not folder(export).exists()


def test_the_export_stays_as_it_was(export: Path) -> None:
    for inside in (export, export / "train" / "x"):
        with pytest.raises(InputError, match="lies in the export"):
            tuning.tune(export, to=inside, over=[RATES], trials=1, **QUICK)


def test_a_database_that_cannot_be_used(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "_PATIENCE", 0.1)
    tuning.tune(export, over=[RATES], trials=1, **QUICK)
    file = folder(export) / "study.db"
    locked = sqlite3.connect(file)
    locked.execute("begin exclusive")
    with pytest.raises(InputError, match=r"study\.db can't be used: database is locked"):
        tuning.tune(export, over=[RATES], trials=2, **QUICK)
    locked.close()
    file.write_bytes(b"no database " * 500)
    with pytest.raises(InputError, match=r"study\.db can't be used: file is not a database"):
        tuning.tune(export, over=[RATES], trials=2, **QUICK)


def trials_of(values: np.ndarray, **params: np.ndarray) -> list[optuna.trial.FrozenTrial]:
    flat = optuna.distributions.FloatDistribution(0, 1)
    return [
        optuna.trial.create_trial(
            params={name: float(column[i]) for name, column in params.items()},
            distributions=dict.fromkeys(params, flat),
            value=float(value),
        )
        for i, value in enumerate(values)
    ]


def test_importance_finds_what_matters_and_distinguishes_it_from_chance() -> None:
    random = np.random.default_rng(0)
    matters, idle = random.random(40), random.random(40)
    found = importance.of(trials_of(matters + 0.1 * random.random(40), matters=matters, idle=idle), ["matters", "idle"])
    first, second = found["shares"]
    assert (first["name"], first["beyond_chance"], second["beyond_chance"]) == ("matters", True, False)
    assert first["low"] <= first["share"] <= first["high"]
    assert first["low"] > second["high"]
    few = importance.of(trials_of(matters[:10], matters=matters[:10]), ["matters"])
    assert few["shares"] == []
    assert "10 trials are too few to tell" in few["reason"]
    assert importance.of(trials_of(np.ones(40), matters=matters), ["matters"])["reason"] == "All trials are alike."


def test_what_a_user_reads() -> None:
    interval = {"estimate": 0.9, "low": 0.85, "high": 0.95}
    result: dict[str, Any] = {
        "best": {"trial": 7, "options": {"learning_rate": 0.01234}, "val_accuracy": 0.95},
        "images": {"val": 100, "test": 200},
        "importance": {"reason": "9 trials are too few.", "shares": [], "trials": 9},
        "notes": [],
        "final": {
            "seeds": 5,
            "best": {"val_accuracy": [0.92, 0.94], "test_accuracy": [0.9], "test": interval},
            "usual": {"test": interval},
            "gain": {"estimate": 0.01, "low": -0.02, "high": 0.04},
            "luck": 0.02,
            "optimism": {"estimate": 0.05, "low": 0.0, "high": 0.1},
            "tested": 4,
        },
    }
    text = " ".join(search_summary.of(result))
    assert "no gain over the usual options shown" in text
    assert "2.0 points below the search's score" in text
    assert "+5.0 points too high" in text
    assert "scored 4 settings" in text
    assert "learning rate 0.012" in text


def test_a_space_is_read_and_gridded() -> None:
    found = search_space.parse(["dropout=0:0.5", "batch-size=16:128", "model=linear"])
    assert list(found) == ["batch_size", "dropout", "model"]  # in one order, however it was given
    assert search_space.grid(found) == {
        "batch_size": [16, 32, 64, 128],
        "dropout": [0.0, 0.167, 0.333, 0.5],
        "model": ["linear"],
    }
    assert search_space.holds(found, {"dropout": 0.2, "batch_size": 64, "model": "linear"})
    assert not search_space.holds(found, {"dropout": 0.6, "batch_size": 64, "model": "linear"})
    assert set(search_space.parse([])) == set(search_space.USUAL)


def test_optuna_says_as_much_as_before(export: Path) -> None:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.DEBUG)
    try:
        with studies.quiet():
            assert optuna.logging.get_verbosity() == optuna.logging.ERROR
        tuning.tune(export, over=[RATES], trials=1, **QUICK)
        assert optuna.logging.get_verbosity() == optuna.logging.DEBUG
    finally:
        optuna.logging.set_verbosity(before)
