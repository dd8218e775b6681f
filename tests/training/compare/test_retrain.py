"""What did cleaning change? Real embeddings and trainings on scikit-learn's digits."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from imageclinic.core.errors import InputError
from imageclinic.training.compare import arm_inputs
from imageclinic.training.compare import retrain as module
from imageclinic.training.compare.compare_options import CompareOptions
from imageclinic.training.compare.retrain import Interrupted, random_removal
from imageclinic.training.embed import patch_dictionary
from imageclinic.training.models import user_network

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]

Frames = tuple[pd.DataFrame, pd.DataFrame]


def compare(arms: Any, test: pd.DataFrame, *, progress: Any = None, cache: Path | None = None, **options: Any) -> Any:
    """`retrain.compare` with these options."""
    return module.compare(arms, test, CompareOptions(**options), progress=progress, cache=cache)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """400 digits from 0 to 3 to learn from (one in five in val) and 200 to test on, with their true labels."""
    folder = tmp_path_factory.mktemp("digits")
    pictures, labels = load_digits(n_class=4, return_X_y=True)
    rows = []
    for i, (picture, label) in enumerate(zip(pictures[:600], labels[:600], strict=True)):
        path = folder / f"{i}.png"
        Image.fromarray((picture.reshape(8, 8) * 15).astype(np.uint8)).resize((16, 16)).save(path)
        rows.append((path.name, str(path), f"digit {label}", "val" if i % 5 == 0 else "train", None))
    frame = pd.DataFrame(rows, columns=["image_id", "path", "label", "split", "split_group"])
    test = frame.tail(200).rename(columns={"label": "label_original"}).drop(columns="split")
    return frame.head(400), test.assign(label_reviewed=test["label_original"])


@pytest.fixture(scope="module", autouse=True)
def small_dictionary() -> Iterator[None]:
    """What is tested here does not need 800 centres."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patch_dictionary, "_SCALES", ((1, 80, 3), (2, 80, 2)))
        yield


@pytest.fixture(scope="module")
def cache(digits: Frames, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the embeddings of the digits, which take longer than everything else here. Making them shows that
    the embedder learns from the original arm alone, and sees no test image before it embeds it."""
    frame, test = digits
    folder = tmp_path_factory.mktemp("cache")
    seen: list[tuple[set[str], set[str]]] = []
    fit_embed = arm_inputs.embed_images.fit_embed

    def spy(fit_paths: Sequence[Path], paths: Sequence[Path], **options: Any) -> Any:
        seen.append(({p.name for p in fit_paths}, {p.name for p in paths}))
        return fit_embed(fit_paths, paths, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arm_inputs.embed_images, "fit_embed", spy)
        compare({"original": frame, "cleaned": frame.drop(index=range(40))}, test, seeds=1, cache=folder)
    assert seen == [(set(frame["image_id"]), set(frame["image_id"]) | set(test["image_id"]))]
    return folder


def wrong(frame: pd.DataFrame, share: float) -> pd.DataFrame:
    """`frame` with a share of its labels moved to the next class."""
    moved = np.random.default_rng(0).random(len(frame)) < share
    following = frame["label"].str[:-1] + ((frame["label"].str[-1].astype(int) + 1) % 4).astype("str")
    return frame.assign(label=frame["label"].mask(moved, following))


def test_the_same_arm_twice_shows_no_gain(digits: Frames, cache: Path) -> None:
    frame, test = digits
    before = frame.copy(), test.copy()
    result = compare({"original": frame, "cleaned": frame}, test, seeds=3, cache=cache)
    assert "no gain shown" in result["verdict"]
    for labels in ("original", "reviewed"):
        delta = result["delta"]["cleaned"][labels]
        assert (delta["estimate"], delta["low"], delta["high"]) == (0, 0, 0)
    assert result["arms"]["original"] == result["arms"]["cleaned"]
    assert np.mean(result["arms"]["original"]["original"]["accuracy"]) > 0.9
    assert (result["n_test"], result["left_out"], result["notes"]) == (200, 0, [])
    assert frame.equals(before[0])
    assert test.equals(before[1])
    json.dumps(result, allow_nan=False)


def test_mending_many_labels_is_a_gain_and_breaking_them_is_worse(digits: Frames, cache: Path) -> None:
    frame, test = digits
    bad = wrong(frame, 0.45)
    fixed = compare({"original": bad, "cleaned": frame}, test, seeds=3, cache=cache)
    assert ": a gain." in fixed["verdict"]
    broken = compare({"original": frame, "cleaned": bad}, test, seeds=3, cache=cache)
    assert ": worse." in broken["verdict"]
    one, two = (result["delta"]["cleaned"]["original"] for result in (fixed, broken))
    assert one["low"] > 0 > two["high"]

    recalls = fixed["per_class"]["original"]
    assert sum(c["n"] for c in recalls.values()) == 200
    mean = sum(c["n"] * c["delta"] for c in recalls.values()) / 200
    assert mean == pytest.approx(one["estimate"])
    for row in fixed["mcnemar"]["original"]:
        assert sum(row.values()) == 200
    only = [row["only_cleaned"] - row["only_original"] for row in fixed["mcnemar"]["original"]]
    assert np.mean(only) / 200 == pytest.approx(one["estimate"])


def test_controls_reviewed_labels_and_copies_are_reported(digits: Frames, cache: Path) -> None:
    frame, test = digits
    bad = wrong(frame, 0.2)
    cleaned = bad[bad["label"] == frame["label"]]
    reviewed = test["label_reviewed"].mask(test.index < test.index[10])  # the reviewer dropped ten
    test = test.assign(label_reviewed=reviewed)
    test.loc[test.index[-5:], "split_group"] = frame["image_id"].iloc[0]
    arms = {"original": bad, "cleaned": cleaned, "random_removal": random_removal(bad, cleaned, 0)}
    result = compare(arms, test, seeds=2, cache=cache)
    assert (result["n_test"], result["n_test_reviewed"], result["left_out"]) == (195, 185, 5)
    assert list(result["arms"]) == ["original", "cleaned", "random_removal"]
    assert list(result["delta"]) == ["cleaned", "random_removal"]
    assert result["arms"]["cleaned"]["n_train"] == result["arms"]["random_removal"]["n_train"]
    assert (result["leak"]["with_copies"], result["leak"]["copies_removed"]) == (5, 0)
    (reviews,) = result["notes"]
    assert "favours the model that flagged them" in reviews


def test_one_seed_claims_nothing(digits: Frames, cache: Path) -> None:
    frame, test = digits
    result = compare({"original": wrong(frame, 0.45), "cleaned": frame}, test, seeds=1, cache=cache)
    delta = result["delta"]["cleaned"]["original"]
    assert delta["estimate"] > 0
    assert delta["low"] is None
    assert "no interval" in result["verdict"]
    assert "2 seeds" in result["power_hint"]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds of the runs that were really done, as they are done."""
    done: list[int] = []
    run = module._Comparison.run

    def counted(*args: Any) -> Any:
        done.append(args[-1])
        return run(*args)

    monkeypatch.setattr(module._Comparison, "run", counted)
    return done


def test_a_killed_comparison_goes_on_and_stale_runs_are_not_used(
    digits: Frames, cache: Path, tmp_path: Path, runs: list[int]
) -> None:
    frame, test = digits
    for file in cache.glob("features-*"):
        shutil.copy(file, tmp_path)
    arms = {"original": wrong(frame, 0.3), "cleaned": frame}
    options: dict[str, Any] = {"seeds": 2, "seed": 5, "cache": tmp_path}

    def kill(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        compare(arms, test, progress=kill, **options)
    assert runs == [5, 5, 6]
    partial = stopped.value.result
    assert partial is not None
    assert partial["seeds"] == [5]  # the pair that is whole
    assert "no interval" in partial["verdict"]
    result = compare(arms, test, **options)
    assert runs == [5, 5, 6, 6]
    assert partial["arms"]["original"]["l2_strengths"] == result["arms"]["original"]["l2_strengths"][:1]
    assert result["seeds"] == [5, 6]

    shuffled = {name: arm.sample(frac=1, random_state=0) for name, arm in arms.items()}
    assert compare(shuffled, test.sample(frac=1, random_state=0), **options) == result
    assert len(runs) == 4  # the order of rows is no change
    compare({**arms, "cleaned": wrong(frame, 0.01)}, test, **options)
    assert runs[4:] == [5, 6]  # other labels: the cleaned arm alone
    for file in tmp_path.glob("run-*"):
        file.write_text("{", "utf-8")
    assert compare(arms, test, **options) == result
    assert len(runs) == 10  # damaged: done again
    assert not list(tmp_path.glob(".*"))


def test_a_rung_of_the_ladder(digits: Frames) -> None:
    frame, test = digits
    arms = {"original": frame, "cleaned": frame.drop(index=range(100))}
    result = compare(arms, test, seeds=1, model="small_cnn", size=8, epochs=2)
    assert (result["embedder"], result["epochs"], result["size"]) == (None, 2, 8)
    assert all(arm["best_epochs"][0] in (1, 2) for arm in result["arms"].values())


def test_other_settings_and_changed_files_make_finished_runs_stale(
    digits: Frames, tmp_path: Path, runs: list[int]
) -> None:
    frame, test = digits
    folder = shutil.copytree(Path(frame["path"].iloc[0]).parent, tmp_path / "images")
    frame, test = (f.assign(path=[str(folder / name) for name in f["image_id"]]) for f in (frame, test))
    arms = {"original": frame, "cleaned": frame.drop(index=range(100))}
    options: dict[str, Any] = {"seeds": 1, "model": "linear", "size": 8, "cache": tmp_path / "cache"}
    result = compare(arms, test, epochs=2, **options)
    assert compare(arms, test, epochs=2, **options) == result
    assert len(runs) == 2
    compare(arms, test, epochs=1, **options)
    assert len(runs) == 4
    changed = folder / "7.png"
    os.utime(changed, ns=(0, changed.stat().st_mtime_ns + 1))
    compare(arms, test, epochs=2, **options)
    assert len(runs) == 6


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"model": "huge"}, "features or one of linear, small_cnn"), ({"seeds": 0}, "seeds 0")],
)
def test_settings_that_are_refused(digits: Frames, options: dict[str, Any], problem: str) -> None:
    frame, test = digits
    with pytest.raises(InputError, match=problem):
        compare({"original": frame, "cleaned": frame}, test, **options)


def test_an_image_that_is_gone_is_named(digits: Frames) -> None:
    frame, test = digits
    gone = frame.assign(path=frame["path"].mask(frame["image_id"] == "7.png", "/nowhere/7.png"))
    with pytest.raises(InputError, match=r"/nowhere/7\.png can't be read"):
        compare({"original": gone, "cleaned": gone}, test, seeds=1)


def own_model(path: Path, classes: int, activation: str | None = "softmax", channels: int = 1) -> str:
    image = keras.Input((8, 8, channels))
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    keras.Model(image, keras.layers.Dense(classes, activation=activation)(flat)).save(path)
    return str(path)


def test_a_model_of_the_users_is_trained_from_fresh_weights(digits: Frames, tmp_path: Path) -> None:
    frame, test = digits
    model = own_model(tmp_path / "mine.keras", 4)
    arms = {"original": wrong(frame, 0.45), "cleaned": frame}
    result = compare(arms, test, seeds=2, model=model, epochs=8)
    assert (result["size"], result["epochs"]) == (8, 8)
    first, second = result["arms"]["cleaned"]["original"]["accuracy"]
    assert min(first, second) > 0.7  # learnt, from weights that were never the file's
    network = user_network.load(Path(model), 4, 32)
    assert not np.allclose(network.build(0).get_weights()[0], network.build(1).get_weights()[0])
    assert np.allclose(network.build(0).get_weights()[0], network.build(0).get_weights()[0])


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        ({"classes": 3}, "probabilities of the 4 classes"),
        ({"classes": 4, "activation": None}, "no probabilities"),
        ({"classes": 4, "channels": 2}, r"images: \(None, height, width, 1 or 3\)"),
    ],
)
def test_a_model_that_does_not_fit(digits: Frames, tmp_path: Path, made: dict[str, Any], problem: str) -> None:
    frame, test = digits
    model = own_model(tmp_path / "mine.keras", **made)
    with pytest.raises(InputError, match=problem):
        compare({"original": frame, "cleaned": frame}, test, seeds=1, model=model)


def test_images_reviewed_at_random_are_scored_apart(digits: Frames, cache: Path) -> None:
    frame, test = digits
    drawn = np.arange(len(test)) % 4 == 0
    test = test.assign(label_reviewed_at_random=test["label_reviewed"].where(drawn))
    result = compare({"original": wrong(frame, 0.45), "cleaned": frame}, test, seeds=2, cache=cache)
    shown = result["delta"]["cleaned"]["reviewed_at_random"]
    assert shown["low"] <= shown["estimate"] <= shown["high"]
    assert sum(c["n"] for c in result["per_class"]["reviewed_at_random"].values()) == drawn.sum()
    assert any("50 test images that were reviewed at random" in note for note in result["notes"])


def test_equal_arms_do_not_claim_to_see_every_difference(digits: Frames, cache: Path) -> None:
    frame, test = digits
    result = compare({"original": frame, "cleaned": frame}, test, seeds=2, cache=cache)
    assert result["delta"]["cleaned"]["original"]["half_width"] == 0
    assert "unknown" in result["power_hint"] and "could have been detected" not in result["power_hint"]
    other = compare({"original": wrong(frame, 0.45), "cleaned": frame}, test, seeds=2, cache=cache)
    assert "could have been detected" in other["power_hint"]


def test_embeddings_that_are_there_are_used_and_others_made_where_an_image_is_missing(digits: Frames) -> None:
    frame, test = digits
    paths = pd.Index(pd.concat([frame["path"], test["path"]]), dtype=object)
    # They tell the class by themselves, so that the accuracy says whether they were used.
    labels = pd.concat([frame["label"], test["label_original"]])
    vectors = np.eye(4, dtype=np.float32)[pd.factorize(labels, sort=True)[0]]
    known = arm_inputs.Embedded(paths, vectors, {"model": "given", "version": "1", "note": "mine"})
    arms = {"original": frame, "cleaned": frame.tail(380)}
    result = module.compare(arms, test, CompareOptions(seeds=2), known=known)
    assert result["embedder"]["name"] == "given"
    assert result["arms"]["original"]["original"]["accuracy"] == [1.0, 1.0]
    fewer = arm_inputs.Embedded(paths[1:], vectors[1:], known.made)
    inputs = arm_inputs.Inputs(arms, test, None, 3, 0, None, fewer)
    assert inputs.known is None
