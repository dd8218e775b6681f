"""Heads that were fitted to a sample and predict all rows (`training.predict.by_sample.sampled_heads`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_digits

from imageclinic.core.engines.piece_map import Arrays, Work, here
from imageclinic.training.predict import discriminant, linear_heads, out_of_fold
from imageclinic.training.predict.by_sample import fitting_sample, heads_in_pieces, sampled_heads
from imageclinic.training.predict.calibration import log_loss
from imageclinic.training.predict.linear_heads import train, train_in_blocks

pytestmark = pytest.mark.slow

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Digits = tuple[Floats, Ints, Ints]
#: Neighbours have no vote where heads are fitted to a sample.
LINEAR = ("heads", "discriminant")


@pytest.fixture(scope="module")
def digits() -> Digits:
    """900 digits: pixels, labels and two repeats of three folds."""
    pixels, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(labels))[:900]
    folds = np.stack([rng.permutation(np.arange(900) % 3) for _ in range(2)])
    return pixels[rows].astype(np.float32), labels[rows].astype(np.int32), folds.astype(np.int32)


def fit(
    x: Floats, labels: Ints, folds: Ints, drawn: npt.NDArray[np.bool_], strengths: tuple[float, ...] = (0.1,)
) -> sampled_heads.SampledHeads:
    """Fitted as exactly as heads that are fitted to all rows."""
    tolerance = out_of_fold.TOLERANCE
    return sampled_heads.fit(x, np.arange(len(x)), labels, folds, drawn, strengths=strengths, tolerance=tolerance)


def test_a_sample_of_all_rows_predicts_as_out_of_fold_does(digits: Digits) -> None:
    expected = out_of_fold.out_of_fold(*digits, witnesses=LINEAR)
    found = fit(*digits, np.ones(900, bool), out_of_fold.STRENGTHS)
    assert (found.strength, found.repeats, found.note) == (expected.strength, expected.repeats, expected.note)
    assert found.model.temperatures[0] == pytest.approx(expected.temperature, rel=1e-3)
    probs = found.model.pred_probs(digits[0], digits[2])
    np.testing.assert_allclose(probs, expected.pred_probs, atol=1e-4)


def test_strengths_compared_on_a_part_and_coarser_heads_predict_as_well(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, labels, folds = digits
    monkeypatch.setattr(sampled_heads, "SEARCHED", 300)
    monkeypatch.setattr(sampled_heads, "SEARCHED_OF_CLASS", 1)
    monkeypatch.setattr(heads_in_pieces, "TOGETHER", 900)
    rows: list[tuple[int, ...]] = []

    def counted(work: Work, arrays: Arrays, pieces: Sequence[Any], **how: Any) -> list[npt.NDArray[Any]]:
        rows.append((len(arrays["x"]), *(len(piece.heads) for piece in pieces)))
        return here(work, arrays, pieces, **how)

    found = sampled_heads.fit(x, np.arange(900), labels, folds, np.ones(900, bool), piece_map=counted)
    # 8 strengths of 3 folds on the part, as many together as have 900 rows; then 2 repeats of 3 folds on all.
    assert rows == [(300, *[3] * 8), (900, *[1] * 6)]
    exact = out_of_fold.out_of_fold(x, labels, folds, strengths=(found.strength,), witnesses=LINEAR)
    best = out_of_fold.out_of_fold(x, labels, folds, witnesses=LINEAR)
    assert found.strength in {best.strength / 10, best.strength / 3, best.strength, best.strength * 3}
    probs = found.model.pred_probs(x, folds)
    assert log_loss(probs, labels) == pytest.approx(exact.log_loss, abs=0.004)
    assert (probs.argmax(1) == labels).mean() == pytest.approx(best.accuracy, abs=0.01)


def test_rows_outside_the_sample_are_predicted_as_well(digits: Digits) -> None:
    x, labels, folds = digits
    drawn = fitting_sample.draw(labels, np.arange(900), 450, 0)
    right = fit(x, labels, folds, drawn).model.pred_probs(x, folds).argmax(1) == labels
    alone = out_of_fold.out_of_fold(x[drawn], labels[drawn], folds[:, drawn], strengths=(0.1,), witnesses=LINEAR)
    assert right[drawn].mean() == pytest.approx(alone.accuracy, abs=0.005)
    assert right[~drawn].mean() > alone.accuracy - 0.03


def test_no_label_of_a_fold_changes_what_predicts_it(digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of rows in the sample nor of others; those of the other folds do."""
    x, labels, folds = digits
    monkeypatch.setattr(discriminant, "SHRINKAGES", (1.0,))
    drawn = fitting_sample.draw(labels, np.arange(900), 450, 0)
    before = fit(x, labels, folds[:1], drawn).model
    after = fit(x, np.where(folds[0] == 2, 9 - labels, labels).astype(np.int32), folds[:1], drawn).model
    for one, two in ((before.kernels, after.kernels), (before.biases, after.biases)):
        np.testing.assert_allclose(one[:, 0, 2], two[:, 0, 2], atol=1e-4)
        assert np.abs(one[:, 0, :2] - two[:, 0, :2]).max() > 0.01


def test_shares_of_the_classes_are_those_of_all_rows() -> None:
    """Two classes that overlap, one of them rare and whole in the sample: mean probabilities are the shares."""
    rng = np.random.default_rng(0)
    labels = (np.arange(6000) % 60 == 0).astype(np.int32)
    x = (rng.normal(size=(6000, 3)) + labels[:, None]).astype(np.float32)
    folds = rng.integers(0, 3, (2, 6000)).astype(np.int32)
    drawn = fitting_sample.draw(labels, np.arange(6000), 600, 0)
    assert labels[drawn].mean() > 0.15
    model = fit(x, labels, folds, drawn).model
    assert model.pred_probs(x, folds)[:, 1].mean() == pytest.approx(1 / 60, rel=0.3)


def test_sums_of_pieces_fit_the_discriminant_of_all(digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels, _ = digits
    x = x - x.mean(0)
    monkeypatch.setattr(discriminant, "_ROWS", 70)
    sums = discriminant.Sums.of(x[:500], labels[:500], 11) + discriminant.Sums.of(x[500:], labels[500:], 11)
    for one, two in zip(sums.layers((0.3,))[0.3], discriminant.fit(x, labels, 11, 0.3), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)


def test_heads_in_blocks_are_those_of_all_rows_at_once(digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two heads with penalties of their own; a few rows at a time."""
    x, labels, folds = digits
    basis = linear_heads.principal(x)
    used, strengths = np.stack([folds[0] != 0, folds[0] != 1], axis=1), np.array([0.1, 1], np.float32)
    expected = train(basis, labels, used, strengths, 10, tolerance=1e-8)
    monkeypatch.setattr(linear_heads, "BLOCK", 70)
    found = train_in_blocks(basis, labels, used, strengths, 10, tolerance=1e-8)
    np.testing.assert_allclose(found.kernel, expected.kernel, atol=1e-5)
    np.testing.assert_allclose(found.bias, expected.bias, atol=1e-5)
    assert np.abs(expected.kernel).max() > 0.1
