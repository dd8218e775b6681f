"""Whether discriminants count beside heads (`training.predict.witness_weights`), and how weak a penalty is tried
(`training.predict.fold_heads`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import softmax

from imageclinic.training.predict import fold_heads, label_model, out_of_fold, witness_weights
from imageclinic.training.predict.by_sample import sampled_heads
from imageclinic.training.predict.calibration import calibrate, forgiving_log_loss, log_loss

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def wide_and_narrow(n: int = 1200, seed: int = 0) -> tuple[Floats, Ints, Ints]:
    """Four classes and folds: two are wide and overlap, two are narrow and don't. One spread for all is wrong."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 4
    centres = np.array([[0, 0], [3, 0], [40, 0], [40.6, 0]])
    spread = np.array([3, 3, 0.1, 0.1])[labels]
    return (
        (centres[labels] + spread[:, None] * rng.normal(size=(n, 2))).astype(np.float32),
        labels,
        np.arange(n) // 4 % 5,
    )


def alike(n: int = 1200, wrong: float = 0.0, seed: int = 0) -> tuple[Floats, Ints, Ints]:
    """Four classes of the same spread: what discriminants suppose. So many labels are wrong."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 4
    x = rng.normal(size=(n, 30)) + 2.5 * np.eye(30)[truth]
    moved = rng.random(n) < wrong
    return x.astype(np.float32), np.where(moved, (truth + rng.integers(1, 4, n)) % 4, truth), np.arange(n) // 4 % 5


def test_discriminants_do_not_count_where_classes_are_spread_unlike() -> None:
    x, labels, folds = wide_and_narrow()
    found = out_of_fold.out_of_fold(x, labels, folds)
    both = out_of_fold.out_of_fold(x, labels, folds, witnesses=("discriminant",))
    assert (found.discriminants, both.discriminants) == (0, 1)
    assert found.log_loss < both.log_loss
    # The narrow classes are 6 standard deviations apart: a model is sure of them, and right.
    narrow = labels >= 2
    assert (found.pred_probs.argmax(axis=1) == labels)[narrow].mean() > 0.99
    assert found.pred_probs.max(axis=1)[narrow].mean() > both.pred_probs.max(axis=1)[narrow].mean() + 0.1


@pytest.mark.parametrize("wrong", [0.0, 0.05, 0.2])
def test_discriminants_count_where_classes_are_spread_alike(wrong: float) -> None:
    found = out_of_fold.out_of_fold(*alike(wrong=wrong))
    assert found.discriminants == witness_weights.SHARE


def test_wrong_labels_do_not_speak_against_the_surer_witness() -> None:
    """One is sure of the true classes, the other allows for fifteen wrong labels in a hundred and knows less: by the
    plain log loss the latter would be alone."""
    rng = np.random.default_rng(0)
    truth = np.arange(4000) % 4
    labels = np.where(rng.random(4000) < 0.15, (truth + 1) % 4, truth)
    sure = softmax(rng.normal(size=(4000, 4)) + 9 * np.eye(4)[truth], axis=1).astype(np.float32)
    vague = softmax(0.7 * rng.normal(size=(4000, 4)) + 2.4 * np.eye(4)[truth], axis=1).astype(np.float32)
    assert log_loss(vague, labels) < log_loss(witness_weights.join(vague, sure, 0.5), labels)
    assert witness_weights.of_discriminants(vague, sure, labels) == witness_weights.SHARE


def test_the_loss_that_forgives_is_that_of_labels_of_which_one_in_ten_is_wrong() -> None:
    probs = np.array([[1, 0, 0], [0.5, 0.3, 0.2]], np.float32)
    expected = -np.log([0.05, 0.9 * 0.3 + 0.1 * 0.7 / 2]).mean()
    assert forgiving_log_loss(probs, np.array([2, 1])) == pytest.approx(expected, rel=1e-6)
    # Its temperature is that of the truth, though one label in ten is wrong; that of the log loss is higher.
    rng = np.random.default_rng(0)
    logits = (3 * rng.normal(size=(1, 20_000, 4))).astype(np.float32)
    truth = (softmax(logits[0], axis=1).cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    labels = np.where(rng.random(20_000) < 0.1, (truth + rng.integers(1, 4, 20_000)) % 4, truth)
    assert calibrate(logits, labels, forgiving_log_loss)[1] == pytest.approx(1, abs=0.05)
    assert calibrate(logits, labels)[1] > 1.3


def test_joined_they_are_a_geometric_mean() -> None:
    one, other = np.array([[0.8, 0.2]], np.float32), np.array([[0.3, 0.7]], np.float32)
    mean = np.sqrt(one * other)
    np.testing.assert_allclose(witness_weights.join(one, other, 0.5), mean / mean.sum(), rtol=1e-5)
    np.testing.assert_allclose(witness_weights.join(one, other, 0.0), one, rtol=1e-5)
    np.testing.assert_allclose(witness_weights.join(one, other, 1.0), other, rtol=1e-5)


@pytest.mark.parametrize(("data", "share"), [(wide_and_narrow(), 0.0), (alike(), 0.5)], ids=["unlike", "alike"])
def test_heads_of_a_sample_and_of_new_images_leave_them_out_likewise(
    data: tuple[Floats, Ints, Ints], share: float
) -> None:
    x, labels, folds = data
    whole = out_of_fold.out_of_fold(x, labels, folds, strengths=[1e-4], witnesses=("heads", "discriminant"))
    assert whole.discriminants == share
    rows = np.arange(len(x))
    sampled = sampled_heads.fit(
        x, rows, labels, folds[None], np.ones(len(x), bool), strengths=[1e-4], tolerance=out_of_fold.TOLERANCE
    ).model
    assert sampled.shares.tolist() == [1 - share, share]
    np.testing.assert_allclose(sampled.pred_probs(x, folds[None]), whole.pred_probs, atol=1e-3)
    new, their, _ = wide_and_narrow(seed=1) if share == 0 else alike(seed=1)
    model = label_model.fit(
        x,
        labels,
        folds,
        4,
        strength=whole.strength,
        temperature=whole.temperature,
        discriminants=whole.discriminants,
        votes=0,
    )
    assert log_loss(model.pred_probs(new), their) == pytest.approx(whole.log_loss, abs=0.05)


def test_weaker_penalties_are_tried_where_the_weakest_is_best() -> None:
    """The direction that tells the classes apart has a ten-thousandth of the variance: a penalty hides it."""
    rng = np.random.default_rng(0)
    labels = np.arange(3000) % 2
    x = np.stack([10 * rng.normal(size=3000), 0.1 * (rng.normal(size=3000) + 3 * labels)], axis=1).astype(np.float32)
    seen: list[tuple[int, int]] = []
    folds = np.arange(3000) // 2 % 3
    found = out_of_fold.out_of_fold(x, labels, folds, progress=lambda done, count: seen.append((done, count)))
    assert found.strength in fold_heads.WEAKER
    tried = fold_heads.WEAKER[: fold_heads.WEAKER.index(found.strength) + 2]
    assert seen[-1] == (3 * (len(out_of_fold.STRENGTHS) + len(tried) + 1),) * 2
    bounded = out_of_fold.out_of_fold(x, labels, folds, strengths=[min(out_of_fold.STRENGTHS)])
    assert bounded.strength == min(out_of_fold.STRENGTHS), "one strength alone is no choice"
    assert found.log_loss < bounded.log_loss


def test_no_weaker_penalty_is_tried_where_a_greater_one_is_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold_heads, "WEAKER", (0.0,))  # refused, if it were tried
    x, labels, folds = alike(400, wrong=0.1)
    assert out_of_fold.out_of_fold(x, labels, folds).strength > min(out_of_fold.STRENGTHS)
