"""The diagnosis: experiments on real digits, what they say together, and how it ends early."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from imageclinic.audit.labels import noise_model
from imageclinic.core.errors import InputError
from imageclinic.training.diagnose import causes, experiments, ladder, plan
from imageclinic.training.diagnose import user_model as own_model
from imageclinic.training.diagnose.diagnose_options import DiagnoseOptions
from imageclinic.training.diagnose.experiments import (
    augmentation,
    copies,
    corrupted,
    data_size,
    frozen,
    imbalance,
    input_range,
    label_order,
    learning_rate,
    loss,
    memorise,
    pretrained,
    regularisation,
    signals,
)
from imageclinic.training.diagnose.lab import Lab, Runs, Trial
from imageclinic.training.diagnose.results import Effect, NothingToTry, Result
from imageclinic.training.diagnose.resume import Earlier
from imageclinic.training.diagnose.setup import Data, Images, Recipe
from imageclinic.training.diagnose.tries import Try, sweep
from imageclinic.training.models.augmentation_strengths import STRENGTHS
from imageclinic.workflows import diagnose
from imageclinic.workflows.steps import diagnosis_images

pytestmark = pytest.mark.slow

RECIPE = Recipe(model="linear", augment="none", dropout=0.0, learning_rate=1e-2, epochs=12)


def digits(train: int = 300, val: int = 200) -> Data:
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))[: train + val]
    pixels = (x.reshape(-1, 8, 8, 1)[order] * 255 / 16).astype(np.uint8)
    whole = Images(pixels, y[order].astype(np.int64), np.arange(len(order)))
    return Data(whole.at(np.arange(train)), whole.at(np.arange(train, train + val)), tuple("0123456789"))


def wrong(y: np.ndarray, probs: np.ndarray) -> np.ndarray:
    return noise_model.fit(y, probs).wrong


def lab(data: Data, **changes: object) -> Lab:
    return Lab(data, RECIPE.change(**changes), (0, 1, 2), wrong, Runs())


@pytest.fixture(scope="module")
def healthy() -> Lab:
    return lab(digits())


def test_causes_rank_faults_first_and_keep_the_best_of_each() -> None:
    def effect(cause: str, gain: float, low: float, *, fault: bool = False) -> Effect:
        return Effect(cause, gain, low, gain + 0.1, "", "", fault)

    results = {
        "a": Result("", (effect("augmentation", 0.10, 0.05), effect("learning_rate", 0.04, -0.01))),
        "b": Result("", (effect("augmentation", 0.20, 0.02), effect("optimizer", 0.30, 0.1))),
        "c": Result("", (Effect("input_pipeline", None, None, None, "", "", True),)),
    }
    ranked = causes.causes(results)
    assert [c["cause"] for c in ranked] == ["input_pipeline", "optimizer", "augmentation"]
    assert ranked[2]["estimated_gain"] == 20 and ranked[2]["experiment"] == "b"
    assert [c["cause"] for c in causes.possible(results)] == ["learning_rate"]
    assert causes.healthy(results, 0) is False
    one = {"a": Result("", (effect("optimizer", 0.03, 0.009),))}
    assert causes.healthy(one, 0) is True and causes.healthy(one, 1) is None
    assert causes.healthy({"a": Result("", (effect("optimizer", 0.03, 0.011),))}, 0) is False
    assert causes.healthy({"a": Result("", (effect("optimizer", 0.30, -0.2),))}, 0) is None, "nothing is known of it"


def test_the_verdict_says_no_more_than_is_known() -> None:
    cause = {"cause": "label_noise", "estimated_gain": 9.2, "low": 1.1, "high": 17.4, "fault": False}
    first = "label noise, +9.2 points (+1.1 to +17.4)"
    assert causes.verdict([cause], [], False, 2, 0.352) == f"Likeliest cause: {first}. Validation accuracy is 35.2%."
    begun = "Nothing that was tried is sure to bring more than a point; 2 experiments are missing."
    assert causes.verdict([], [], None, 2, None) == begun
    assert causes.verdict([cause], [], None, 2, None) == f"{begun} What may help most, and is not sure to: {first}."
    assert causes.verdict([cause], [], True, 0, None).startswith("Healthy")
    calm = causes.verdict([], [cause], True, 0, None)
    assert calm.startswith("Healthy") and calm.endswith(f"What may help most, and is not sure to: {first}.")
    found = causes.verdict([], [cause], None, 0, None)
    assert "does not mean healthy" in found and found.endswith(f"is not sure to: {first}.")
    fault = {**cause, "fault": True, "estimated_gain": None}
    assert "plainly wrong, to be fixed first: label noise, what fixing" in causes.verdict([fault], [], False, 0, None)


def test_classes_in_another_order_are_found_and_put_right(healthy: Lab) -> None:
    data = healthy.data
    moved = np.array([1, 2, 0, 3, 4, 5, 6, 7, 9, 8])
    mixed = healthy.change(data=replace(data, val=replace(data.val, y=moved[data.val.y])))
    result, after = label_order.run(mixed)
    (found,) = result.effects
    assert found.fault and found.cause == "label_order" and found.low > 0.2
    assert after.data.val.y.tolist() == data.val.y.tolist()
    assert label_order.run(healthy)[0].effects == ()


def test_brightened_copies_are_found_and_left_out(healthy: Lab) -> None:
    data = healthy.data
    bright = np.clip(data.train.x[:80].astype(float) * 0.9 + 20, 0, 255).astype(np.uint8)
    val = Images(
        np.concatenate([data.val.x, bright]),
        np.concatenate([data.val.y, data.train.y[:80]]),
        np.arange(1000, 1000 + len(data.val) + 80),
    )
    result, after = copies.run(healthy.change(data=replace(data, val=val)))
    assert result.numbers["copies"] >= 75 and result.effects[0].fault
    assert after.data.val.y.tolist() == data.val.y[: len(after.data.val)].tolist()
    assert copies.run(healthy)[0].effects == ()


def test_a_leak_of_all_images_holds_out_training_images(healthy: Lab) -> None:
    data = healthy.data
    _, after = copies.run(healthy.change(data=replace(data, val=data.train.at(np.arange(100)))))
    assert not set(after.data.train.group) & set(after.data.val.group)
    assert len(after.data.train) + len(after.data.val) == len(data.train)


def test_what_can_be_memorised(healthy: Lab) -> None:
    assert memorise.run(healthy)[0].numbers["memorised"] >= 0.9
    same = replace(healthy.data.train, x=np.zeros_like(healthy.data.train.x))
    result, _ = memorise.run(healthy.change(data=replace(healthy.data, train=same)))
    assert [e.cause for e in result.effects] == ["input_pipeline"]


def test_a_rate_at_which_nothing_can_be_memorised_is_a_fault() -> None:
    """Of runs that diverge some come back, so that seeds alone leave the gain unsure."""
    wild = lab(digits(), model="small_cnn", learning_rate=3.0, epochs=3)
    result, after = memorise.run(wild)
    assert after.too_fast and not result.effects
    found, fixed = learning_rate.run(after)
    assert found.effects[0].fault and "can't even memorise 50 images" in found.effects[0].evidence
    assert fixed.recipe.learning_rate < 3.0


def test_seeds_that_lie_far_apart_are_a_sign_unless_they_do_so_anyway() -> None:
    def trial(*accuracies: float) -> Trial:
        right = np.arange(100) < 100 * np.array(accuracies)[:, None]
        outputs = np.stack([~right, right], axis=2).astype(np.float32)
        return Trial(outputs, np.ones(100, np.int64), (), ())

    steady = trial(0.97, 0.98, 0.96)
    assert learning_rate._wild(trial(0.98, 0.22, 0.95), steady)
    assert not learning_rate._wild(trial(0.98, 0.85, 0.95), steady)
    assert not learning_rate._wild(trial(0.98, 0.22, 0.95), trial(0.98, 0.60, 0.95))


def test_images_that_are_flat_need_not_be_memorised(healthy: Lab) -> None:
    train = healthy.data.train
    x = train.x.copy()
    x[::3] = 128  # a third, of all classes, that nobody can tell apart
    result, _ = memorise.run(healthy.change(data=replace(healthy.data, train=replace(train, x=x))))
    assert result.numbers["memorised"] >= memorise.MEMORISED and not result.effects


def test_every_strength_of_augmentation_has_others_to_try() -> None:
    assert set(augmentation.NEXT) == set(STRENGTHS)
    assert {name for names in augmentation.NEXT.values() for name in names} <= set(STRENGTHS)


def test_weight_decay_is_given_for_all_images(healthy: Lab) -> None:
    tenth = healthy.change(data=replace(healthy.data, whole=10 * len(healthy.data.train)))
    changed = RECIPE.change(weight_decay=8.0, dropout=0.5)
    assert regularisation._try(changed, healthy).remedy == "--dropout 0.5 --weight-decay 8"
    assert regularisation._try(changed, tenth).remedy == "--dropout 0.5 --weight-decay 0.8"
    own = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    found = regularisation._try(changed.change(own=own), tenth)
    assert "dropout" not in found.words and "AdamW(0.01, weight_decay=0.8)" in found.remedy


def test_what_helps_for_sure_is_gone_on_with_when_images_are_counted() -> None:
    slow = lab(digits(), learning_rate=1e-4)
    better = RECIPE.change(batch_size=32)
    _, after = sweep(slow, [Try("learning_rate", "a better rate", better, "")])
    assert after.mended == ("a better rate", better)
    _, after = sweep(slow, [Try("learning_rate", "a worse rate", RECIPE.change(learning_rate=1e-6), "")])
    assert after.mended is None
    result, _ = data_size.run(slow.change(mended=("a better rate", better)))
    assert result.effects[0].evidence.startswith("With a better rate validation accuracy is ")
    assert list(result.numbers["accuracy"].values())[-1] == slow.trial(better).accuracy


def test_a_starved_class_is_named(healthy: Lab) -> None:
    train = healthy.data.train
    few = np.flatnonzero(train.y == 3)[4:]
    starved = healthy.change(data=replace(healthy.data, train=train.at(np.setdiff1d(np.arange(len(train)), few))))
    result, _ = imbalance.run(starved)
    assert result.effects[0].counts and "3 (4 images)" in result.effects[0].evidence
    with pytest.raises(NothingToTry, match="alike"):
        imbalance.run(healthy)


def test_noise_among_images_is_seen(healthy: Lab) -> None:
    x = healthy.data.train.x.copy()
    x[:60] = np.random.default_rng(0).integers(0, 256, x[:60].shape)
    data = replace(healthy.data, train=replace(healthy.data.train, x=x))
    result, _ = corrupted.run(healthy.change(data=data))
    assert 40 <= result.numbers["training"] <= 70
    calm, _ = corrupted.run(healthy)  # one digit is odd
    assert not calm.effects and calm.answer.startswith("1 of 500 images are flat")
    x[:3] = 128
    few = replace(healthy.data.train, x=np.concatenate([x[:3], healthy.data.train.x[3:]]))
    result, _ = corrupted.run(healthy.change(data=replace(healthy.data, train=few)))
    assert not result.effects and result.answer.startswith("4 of 500 images are flat")


def test_pretrained_embeddings_are_tried_where_there_are_some(healthy: Lab) -> None:
    with pytest.raises(NothingToTry, match="audit"):
        pretrained.run(healthy)
    telling = [
        replace(part, features=np.eye(10, dtype=np.float32)[part.y]) for part in (healthy.data.train, healthy.data.val)
    ]
    result, after = pretrained.run(healthy.change(data=replace(healthy.data, train=telling[0], val=telling[1])))
    (found,) = result.effects
    assert found.cause == "no_pretrained_weights" and found.counts
    assert found.gain == pytest.approx(1 - healthy.base().accuracy)
    assert after.recipe == healthy.recipe


def test_a_learning_curve_goes_on_between_its_floor_and_guessing() -> None:
    def errors(sizes: np.ndarray) -> np.ndarray:
        odds = 20 * sizes**-0.7
        return np.asarray(0.1 + 0.8 * odds / (1 + odds))

    sizes = np.array([100.0, 200, 400, 800])
    wanted = errors(np.array([800.0, 3200.0]))
    assert data_size.gained(sizes, errors(sizes), 0.1, 0.9, 4) == pytest.approx(wanted[0] - wanted[1])
    assert data_size.gained(sizes, np.array([0.1, 0.11, 0.12, 0.13]), 0.0, 0.9, 4) == 0  # more images never hurt
    assert data_size.gained(sizes, np.full(4, 0.95), 0.0, 0.9, 4) == 0  # worse than guessing: no curve


def test_what_more_images_of_all_bring_is_estimated_without_classes_that_starve(healthy: Lab) -> None:
    y = healthy.data.train.y
    rows = np.concatenate([np.flatnonzero(y != 3), np.flatnonzero(y == 3)[:2]])
    starving = healthy.change(data=replace(healthy.data, train=healthy.data.train.at(rows)))
    found, after = imbalance.run(starving)
    assert found.effects[0].counts and after.starved == (3,)
    with_it, _ = data_size.run(starving)
    without, _ = data_size.run(after)
    assert without.numbers["left_out"] == ["3"]
    assert list(without.numbers["accuracy"].values())[-1] > list(with_it.numbers["accuracy"].values())[-1]


def test_no_budget_leaves_reasons_and_ctrl_c_keeps_what_is_done(tmp_path: Path) -> None:
    data, found = digits(120, 60), []
    result = ladder.climb(data, RECIPE, budget=0.01, noise=wrong, seeds=2, folder=tmp_path, report=found.append)
    assert list(result["experiments"]) == ["copies", "memorise", "gap", "input_range", "label_order"]
    assert "the budget" in result["not_tested"]["data_size"] and result["healthy"] is None
    named = set(result["experiments"]) | set(result["not_tested"])
    assert named == {*experiments.load(), *ladder.OUT_OF_SIGHT}
    assert json.loads(json.dumps(result)) and len(found) == 7
    assert result["not_tested"]["frozen"].startswith("the budget")
    past = Earlier(made=frozenset({"frozen"}))
    again = ladder.climb(data, RECIPE, budget=0.01, noise=wrong, seeds=2, folder=tmp_path, earlier=past)
    assert again["not_tested"]["frozen"].startswith(ladder.NOTHING)  # its runs are kept: it takes no budget
    assert "the budget" in again["not_tested"]["data_size"]  # though finished runs take no time, others would

    def stop(so_far: dict) -> None:
        if len(so_far["experiments"]) == 2:
            raise KeyboardInterrupt

    with pytest.raises(ladder.Interrupted) as caught:
        ladder.climb(data, RECIPE, budget=0.01, noise=wrong, seeds=2, folder=tmp_path, report=stop)
    assert list(caught.value.result["experiments"]) == ["copies", "memorise"]
    assert caught.value.result["not_tested"]["gap"] == "interrupted"


def test_runs_are_found_again(tmp_path: Path) -> None:
    data = digits(60, 40)
    first = Runs(tmp_path).run(RECIPE, data.train, data.val, 0, 10, 2)
    written = list(tmp_path.iterdir())
    again = Runs(tmp_path, tick=lambda: pytest.fail("made again")).run(RECIPE, data.train, data.val, 0, 10, 2)
    assert np.array_equal(first.outputs, again.outputs) and len(written) == 1
    written[0].write_bytes(b"torn")
    assert np.allclose(Runs(tmp_path).run(RECIPE, data.train, data.val, 0, 10, 2).outputs, first.outputs)


def test_a_plan_takes_fewer_images_before_fewer_steps(tmp_path: Path) -> None:
    kept = tmp_path / "plan.json"
    small = plan.make(RECIPE.change(epochs=10), [(16, 16, 1)], 10, 50_000, 1e-6, 70, kept)
    assert small.train * small.epochs >= plan.STEPS * RECIPE.batch_size and small.train < 50_000
    assert plan.make(RECIPE, [(16, 16, 1)], 10, 1, 1e9, 70, kept) == small  # a killed diagnosis goes on with the same
    kept.write_text("{")
    assert plan.make(RECIPE, [(16, 16, 1)], 10, 200, 1e9, 70, kept).train == 200


@pytest.mark.parametrize(
    ("change", "message"),
    [({"budget": 0.0}, "budget"), ({"budget": float("inf")}, "a budget of inf"), ({"seeds": 1}, "seeds")],
)
def test_settings_that_can_not_be(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ladder.climb(digits(60, 40), RECIPE, **{"budget": 1.0, "noise": wrong, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"augment": "bogus"}, "augment 'bogus'. Expected one of none"),
        ({"optimizer": "bogus"}, "optimizer 'bogus'. Expected one of adamw"),
        ({"dropout": 1.0}, r"dropout 1\.0"),
        ({"learning_rate": 0.0}, r"learning rate 0\.0. Expected a number above 0"),
        ({"epochs": 0}, "epochs 0"),
        ({"batch_size": 0}, "batch size 0"),
        ({"weight_decay": -1.0}, r"weight decay -1\.0"),
        ({"scale": 0.0}, r"scale 0\.0. Expected a number above 0"),
        ({"scale": float("inf")}, "scale inf"),
    ],
)
def test_a_recipe_out_of_range(change: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        diagnose._recipe(tmp_path / "data", DiagnoseOptions(**change))


def test_the_last_training_gives_the_recipe_unless_its_network_is_too_large(tmp_path: Path) -> None:
    made = {"model": "linear", "learning_rate": 0.02, "dropout": 0.0, "schedule": "cosine", "size": None}
    metrics = tmp_path / "out-model" / "metrics.json"
    metrics.parent.mkdir()
    metrics.write_text(json.dumps({"settings": made}))
    recipe, notes = diagnose._recipe(tmp_path / "out", DiagnoseOptions(dropout=0.3))
    assert (recipe.model, recipe.learning_rate, recipe.dropout, notes) == ("linear", 0.02, 0.3, [])
    metrics.write_text(json.dumps({"settings": {**made, "model": "mobilenet"}}))
    recipe, notes = diagnose._recipe(tmp_path / "out", DiagnoseOptions())
    assert (recipe.model, recipe.learning_rate) == (Recipe.model, Recipe.learning_rate)
    assert "mobilenet" in notes[0] and Recipe.model in notes[0]
    for damaged in ("[]", "{", '{"settings": {"epochs": "many"}}', '{"settings": {"dropout": NaN}}'):
        metrics.write_text(damaged)
        with pytest.raises(InputError, match=r"metrics\.json"):
            diagnose._recipe(tmp_path / "out", DiagnoseOptions())


def test_too_few_images_are_an_error_that_says_so(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too few for any experiment"):
        diagnose.diagnose(folder, to=tmp_path / "out", model="linear", budget=0.01)
    with pytest.raises(InputError, match="nothing to diagnose"):
        diagnose.diagnose()
    with pytest.raises(InputError, match="unknown model"):
        diagnose.diagnose(folder, to=tmp_path / "out", model="resnet")


def test_a_dataset_from_disk_to_diagnosis(tmp_path: Path) -> None:
    x, y = load_digits(return_X_y=True)
    for i in range(240):
        place = tmp_path / "data" / ("val" if i % 3 == 0 else "train") / str(y[i])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((x[i].reshape(8, 8) * 255 / 16).astype(np.uint8)).save(place / f"{i}.png")
    (tmp_path / "data" / "train" / "0" / "bad.png").write_bytes(b"no picture")
    found = diagnose.diagnose(tmp_path / "data", model="linear", augment="none", budget=0.01, seeds=2, epochs=4)
    written = json.loads((tmp_path / "data-diagnosis" / "diagnosis.json").read_text())
    assert written["causes"] == found["causes"] and written["recipe"]["epochs"] == 4
    assert any("1 training images can't be read" in note for note in written["notes"])
    assert found["images"] == {"train": 160, "val": 80}


def own(**changes: object) -> keras.Model:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, activation="relu", kernel_initializer=changes.get("kernel", "glorot_uniform")),
            layers.Flatten(),
            layers.Dense(10, activation=changes.get("activation", "softmax")),
        ]
    )
    for layer in model.layers[:-1]:
        layer.trainable = "frozen" not in changes
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy")
    return model


def lab_of(model: keras.Model, **changes: object) -> Lab:
    settings = own_model.recipe_of(model.get_compile_config(), "model")
    return lab(digits(), **{**settings, **changes, "own": model})


def test_a_compiled_model_gives_its_recipe(tmp_path: Path) -> None:
    own().save(tmp_path / "own.keras")
    model, settings = own_model.load(str(tmp_path / "own.keras"))
    assert settings["optimizer"] == "sgd" and settings["learning_rate"] == pytest.approx(0.05)
    assert settings["loss"] == "sparse_categorical_crossentropy" and not settings["from_logits"]
    assert own_model.fits(model, "own", 10) == (8, 8, 1)
    with pytest.raises(InputError, match="3 classes"):
        own_model.fits(model, "own", 3)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.2, 10)), loss)
    found = own_model.recipe_of(model.get_compile_config(), "own")
    assert found["learning_rate"] == pytest.approx(0.2) and found["from_logits"] and found["loss"].startswith("categ")
    model.compile("adam", "mse")
    with pytest.raises(InputError, match="mse"):
        own_model.recipe_of(model.get_compile_config(), "own")
    with pytest.raises(InputError, match="there is no nowhere:net"):
        own_model.load("nowhere:net")


def test_code_in_a_model_is_not_run(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Lambda(lambda x: x)])
    model.save(tmp_path / "code.keras")
    with pytest.raises(InputError, match="holds code"):
        own_model.load(str(tmp_path / "code.keras"))


def test_pixels_that_are_divided_twice() -> None:
    result, after = input_range.run(lab_of(own(), scale=1 / 255, epochs=4))
    assert result.effects[0].cause == "input_pipeline" and result.effects[0].fault
    assert after.recipe.scale == pytest.approx(1) and input_range.run(after)[0].effects == ()


def test_frozen_layers_are_counted_and_thawed() -> None:
    result, _ = frozen.run(lab_of(own(frozen=True), epochs=4))
    assert result.numbers == {"frozen": 80, "parameters": 80 + 2890}
    assert result.effects[0].cause == "frozen_layers" and result.effects[0].gain != 0
    assert frozen.run(lab_of(own()))[0].answer == "None are."


def test_units_that_are_dead_and_losses_that_do_not_fit() -> None:
    dead = keras.initializers.Constant(-1.0)
    result, _ = signals.run(lab_of(own(kernel=dead), epochs=1))
    assert "dead_units" in [e.cause for e in result.effects]
    healthy = signals.run(lab_of(own(), epochs=1))[0]
    assert healthy.effects == () and healthy.numbers["gradients"]
    result, _ = loss.run(lab_of(own(activation="linear"), epochs=4))
    assert result.effects[0].cause == "loss_mismatch" and result.effects[0].gain > 0.2
    assert loss.run(lab_of(own()))[0].answer == "Yes."


def test_drawn_images_keep_every_class() -> None:
    import pandas as pd

    frame = pd.DataFrame({"image_id": [f"{i:03}" for i in range(103)], "label": ["a"] * 100 + ["b"] * 3})
    drawn = diagnosis_images.draw(frame, 20, 0)
    assert drawn["label"].value_counts().to_dict() == {"a": 19, "b": 2}
    assert drawn.equals(diagnosis_images.draw(frame.sample(frac=1, random_state=1), 20, 0))
