"""The noise model: probabilities that labels are wrong, the noise matrix, the flags (`audit.labels.noise_model`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from imageclinic.audit.labels import noise_channel, noise_model

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def channel(share: float, classes: int = 4) -> Floats:
    """A noise matrix: `share` of each class is labelled as the next one."""
    return (1 - share) * np.eye(classes) + share * np.roll(np.eye(classes), 1, axis=1)


def draw(
    matrix: Floats, n: int = 12_000, *, power: float = 2.0, sure: float = 3, seed: int = 0
) -> tuple[Ints, Ints, Floats]:
    """Given labels, true labels, and what a model says that is less sure than it could be."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, len(matrix))) * sure
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (rng.random((n, 1)) > true.cumsum(axis=1)).sum(axis=1)
    given = (rng.random((n, 1)) > matrix[truth].cumsum(axis=1)).sum(axis=1)
    timid = true ** (1 / power)
    return given, truth, timid / timid.sum(axis=1, keepdims=True)


def test_the_matrix_and_the_share_are_recovered() -> None:
    matrix = channel(0.2)
    given, truth, probs = draw(matrix)
    found = noise_model.fit(given, probs)
    np.testing.assert_allclose(found.matrix, matrix, atol=0.05)
    assert found.share == pytest.approx((given != truth).mean(), abs=0.03)
    expected = np.array([[np.mean(truth[given == j] == k) for k in range(4)] for j in range(4)])
    np.testing.assert_allclose(found.held, expected, atol=0.06)


def test_one_fit_serves_all_who_ask_for_the_same() -> None:
    given, _, probs = draw(channel(0.1), 200)
    parts = pd.Series(["train", "test"] * 100)
    found = noise_model.fit(given, probs, parts)
    assert noise_model.fit(given.copy(), probs.copy(), parts.copy()) is found
    assert not found.wrong.flags.writeable
    other = noise_model.fit(given, probs, pd.Series(["train"] * 200))
    assert other is not found and not np.allclose(other.wrong, found.wrong)
    assert noise_model.fit(given, probs.astype(np.float32), parts) is not found


def test_labels_that_are_right_are_taken_for_right() -> None:
    given, _, probs = draw(np.eye(4))
    found = noise_model.fit(given, probs)
    assert found.share < 0.02
    assert noise_model.flags(found.wrong).mean() < 0.02


def test_probabilities_of_wrongness_are_calibrated() -> None:
    given, truth, probs = draw(channel(0.25))
    found = noise_model.fit(given, probs)
    wrong = given != truth
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.01)):
        band = (found.wrong >= low) & (found.wrong < high)
        assert band.sum() > 50
        assert found.wrong[band].mean() == pytest.approx(wrong[band].mean(), abs=0.08)


def test_the_right_class_is_named_as_often_as_it_says() -> None:
    given, truth, probs = draw(0.75 * np.eye(4) + 0.25 / 3 * (1 - np.eye(4)))
    others = np.where(np.arange(4) == given[:, None], -1, probs).argmax(axis=1)
    found = noise_model.fit(given, probs)
    named = noise_model.named(given, probs, found.channel, found.power, others)
    wrong = given != truth
    for low, high in ((0, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        band = wrong & (named >= low) & (named < high)
        assert band.sum() > 100
        assert named[band].mean() == pytest.approx((others == truth)[band].mean(), abs=0.06)


def test_predictions_that_are_too_timid_are_made_surer() -> None:
    for power in (1.5, 4.0):
        given, truth, probs = draw(channel(0.2), power=power)
        found = noise_model.fit(given, probs)
        assert found.power == pytest.approx(power, rel=0.2)
        assert found.share == pytest.approx((given != truth).mean(), abs=0.03)


def test_rows_may_come_in_any_order_and_any_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    given, _, probs = draw(channel(0.2), 400)
    straight = noise_model.fit(given, probs)
    order = np.random.default_rng(1).permutation(400)
    np.testing.assert_allclose(noise_model.fit(given[order], probs[order]).wrong, straight.wrong[order], atol=1e-6)
    monkeypatch.setattr(noise_channel, "_CHUNK", 4 * 33)
    np.testing.assert_allclose(noise_model.fit(given, probs).wrong, straight.wrong, atol=1e-6)


def test_votes_of_zero_and_a_class_without_images() -> None:
    probs = np.eye(3)[[0, 0, 1, 1, 0, 1]]
    found = noise_model.fit(np.array([0, 0, 1, 1, 1, 0]), probs)
    assert np.isfinite(found.wrong).all()
    assert found.wrong[4:].min() > found.wrong[:4].max()
    np.testing.assert_array_equal(found.held[2], [0, 0, 1])


def test_few_images_show_few_wrong_labels() -> None:
    given, truth, probs = draw(channel(0.1), 40)
    found = noise_model.fit(given, probs)
    assert 0 < found.share < (given != truth).mean()
    assert np.median(found.wrong[given != truth]) > np.median(found.wrong[given == truth])


@pytest.mark.parametrize("classes", [2, 20])
def test_errors_of_a_model_that_is_never_sure_are_not_taken_for_wrong_labels(classes: int) -> None:
    rng = np.random.default_rng(0)
    # A model right for a third of the images and blind for the others, which one power for all can't express.
    logits = rng.normal(size=(3000, classes)) * np.where(rng.random((3000, 1)) < 1 / 3, 2, 0.3)
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    given = (rng.random((3000, 1)) > probs.cumsum(axis=1)).sum(axis=1)
    found = noise_model.fit(given, probs**0.5 / (probs**0.5).sum(axis=1, keepdims=True))
    assert found.share < 0.05
    assert (found.wrong > 0.95).sum() <= 3


@pytest.mark.parametrize("sure", [3, 5, 7])
def test_hard_images_that_a_model_says_are_hard_are_not_taken_for_wrong_labels(sure: float) -> None:
    """Ten classes are mistaken for each other as often as the model says, and one label in fifty is wrong; confident
    learning counts two to three times as many."""
    evenly = 0.98 * np.eye(10) + 0.02 / 9 * (1 - np.eye(10))
    given, truth, probs = draw(evenly, 8000, power=1.0, sure=sure)
    found = noise_model.fit(given, probs)
    wrong = given != truth
    assert found.share == pytest.approx(wrong.mean(), abs=0.01)
    assert wrong[found.wrong >= 0.95].mean() > 0.97
    joint = probs * evenly[:, given].T  # what is to be known: the model's probabilities and how labels went wrong
    known = 1 - joint[np.arange(8000), given] / joint.sum(axis=1)
    assert np.abs(found.wrong - known).mean() < 0.01


@pytest.mark.parametrize("share", [0.2, 0.4])
def test_many_wrong_labels_are_seen_where_the_model_can_be_sure(share: float) -> None:
    evenly = (1 - share) * np.eye(10) + share / 9 * (1 - np.eye(10))
    given, truth, probs = draw(evenly, 4000, power=1.0, sure=6)
    assert noise_model.fit(given, probs).share == pytest.approx((given != truth).mean(), abs=0.05)


def test_parts_that_were_labelled_with_more_care_get_fewer_wrong_labels() -> None:
    given, truth, probs = draw(channel(0.3), 6000)
    careful, right, better = draw(channel(0.02), 2000, seed=1)
    given, truth, probs = np.append(given, careful), np.append(truth, right), np.concatenate([probs, better])
    parts = pd.Series(["train"] * 6000 + [None] * 2000)
    pooled, apart = noise_model.fit(given, probs), noise_model.fit(given, probs, parts)
    wrong = given != truth
    for part in (parts.notna(), parts.isna()):
        assert apart.wrong[part].mean() == pytest.approx(wrong[part].mean(), abs=0.03)
    assert apart.wrong[6000:].mean() < pooled.wrong[6000:].mean() - 0.01
    expected = np.array([[np.mean(truth[given == j] == k) for k in range(4)] for j in range(4)])
    np.testing.assert_allclose(apart.held, expected, atol=0.06)
    np.testing.assert_array_equal(noise_model.fit(given, probs, pd.Series(["all"] * 8000)).wrong, pooled.wrong)


def test_a_small_part_leans_on_the_whole() -> None:
    given, _, probs = draw(channel(0.2), 6000)
    small, true, more = draw(channel(0.2), 100, seed=1)
    parts = pd.Series(["train"] * 6000 + ["val"] * 100)
    found = noise_model.fit(np.append(given, small), np.concatenate([probs, more]), parts)
    assert found.wrong[6000:].mean() == pytest.approx((small != true).mean(), abs=0.1)


def test_the_flags_have_the_greatest_expected_f1() -> None:
    wrong = np.array([0.9, 0.05, 0.8, 0.3, 0.6, 0.2])
    by_count = {}
    for count in range(1, 7):
        chosen = np.sort(wrong)[::-1][:count]
        by_count[count] = 2 * chosen.sum() / (count + wrong.sum())
    best = max(by_count, key=lambda count: by_count[count])
    np.testing.assert_array_equal(noise_model.flags(wrong), wrong >= np.sort(wrong)[::-1][best - 1])
    assert not noise_model.flags(np.full(10, 0.01)).any(), "nothing is flagged that is hardly ever wrong"
    assert noise_model.flags(np.zeros(0)).shape == (0,)


def test_overlaps_are_the_pairs_that_were_exchanged() -> None:
    given, truth, probs = draw(channel(0.2))
    pairs = noise_model.overlaps(given, noise_model.fit(given, probs))
    assert set(zip(pairs["a"][:4], pairs["b"][:4], strict=True)) == {(0, 1), (1, 2), (2, 3), (0, 3)}
    first = pairs.iloc[0]
    between = ((given == first["a"]) & (truth == first["b"])) | ((given == first["b"]) & (truth == first["a"]))
    assert first["images"] == pytest.approx(between.sum(), rel=0.2)
    assert len(pairs) == 6
    assert pairs["share"].iloc[4] < 0.02


def test_images_that_it_was_not_fitted_to_are_judged_as_those_that_it_was() -> None:
    given, truth, probs = draw(channel(0.1), 4_000)
    found = noise_model.fit(given[:3_000], probs[:3_000])
    again = noise_model.judge(given[:3_000], probs[:3_000], found.channel, found.power)
    np.testing.assert_allclose(again, found.wrong, atol=1e-6)
    new = noise_model.judge(given[3_000:], probs[3_000:], found.channel, found.power)
    wrong = given[3_000:] != truth[3_000:]
    assert new[wrong].mean() > 4 * new[~wrong].mean()
    assert new.mean() == pytest.approx(wrong.mean(), abs=0.03)
