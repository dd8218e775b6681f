"""Out-of-fold predictions (`training.predict.out_of_fold`, `training.predict.linear_heads`)."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from imageclinic.core.errors import Failed, InputError
from imageclinic.training.predict import (
    discriminant,
    fold_heads,
    keras_heads,
    label_model,
    linear_heads,
    neighbor_votes,
    out_of_fold,
)

pytestmark = pytest.mark.slow

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


@pytest.fixture(scope="module")
def digits() -> tuple[Floats, Ints, Ints]:
    """360 digits: pixels, labels and two repeats of four folds."""
    pixels, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(labels))[:360]
    folds = np.stack([rng.permutation(np.arange(360) % 4) for _ in range(2)])
    return pixels[rows].astype(np.float32), labels[rows].astype(np.int32), folds.astype(np.int32)


def sklearn_out_of_fold(x: Floats, labels: Ints, fold: Ints, strength: float) -> npt.NDArray[np.float64]:
    """The same problem, solved by scikit-learn one fold after the other."""
    classes = int(labels.max()) + 1
    probs = np.empty((len(labels), classes))
    for held_out in np.unique(fold):
        used = fold != held_out
        # The smoothing image at the mean, shared by all classes.
        rows = np.concatenate([x[used], np.zeros((classes, x.shape[1]))])
        targets = np.concatenate([labels[used], np.arange(classes)])
        weights = np.concatenate([np.ones(used.sum()), np.full(classes, 1 / classes)])
        model = LogisticRegression(C=1 / (strength * used.sum()), max_iter=10_000, tol=1e-8)
        probs[~used] = model.fit(rows, targets, sample_weight=weights).predict_proba(x[~used])
    return probs


@pytest.mark.parametrize("small", [linear_heads.SMALL, 0], ids=["numpy", "keras"])
@pytest.mark.parametrize("strength", [1.0, 0.1, 0.01])
def test_heads_agree_with_scikit_learn(
    digits: tuple[Floats, Ints, Ints], monkeypatch: pytest.MonkeyPatch, strength: float, small: int
) -> None:
    monkeypatch.setattr(linear_heads, "SMALL", small)
    x, labels, folds = digits
    scaled = ((x - x.mean(0)) / np.sqrt(np.square(x - x.mean(0)).mean())).astype(np.float32)
    expected = sklearn_out_of_fold(scaled, labels, folds[0], strength)

    fold = folds[0]
    basis = linear_heads.principal(x)
    used = np.stack([fold != f for f in range(4)], axis=1)
    heads = linear_heads.train(basis, labels, used, np.full(4, strength, np.float32), 10, tolerance=1e-10)
    logits = np.einsum("nd,dhk->nhk", basis.x, heads.kernel)[np.arange(len(fold)), fold] + heads.bias[fold]
    probs = np.exp(logits - logits.max(1, keepdims=True))
    probs /= probs.sum(1, keepdims=True)

    np.testing.assert_allclose(probs, expected, atol=1e-3)


def test_heads_do_not_depend_on_the_chunks_of_rows(
    digits: tuple[Floats, Ints, Ints], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, labels, folds = digits
    monkeypatch.setattr(linear_heads, "SMALL", 0)
    whole = out_of_fold.out_of_fold(x, labels, folds, strengths=[0.1])
    monkeypatch.setattr(keras_heads, "_CHUNK_BYTES", 4 * 8 * 10 * 100)
    in_chunks = out_of_fold.out_of_fold(x, labels, folds, strengths=[0.1])
    np.testing.assert_allclose(in_chunks.pred_probs, whole.pred_probs, atol=1e-4)


def test_numpy_and_keras_choose_and_predict_alike(
    digits: tuple[Floats, Ints, Ints], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = out_of_fold.out_of_fold(*digits)
    monkeypatch.setattr(linear_heads, "SMALL", 0)
    there = out_of_fold.out_of_fold(*digits)
    assert here.strength == there.strength
    np.testing.assert_allclose(here.pred_probs, there.pred_probs, atol=1e-4)


def test_principal_axes_of_few_rows_are_those_of_an_svd() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(40, 90)) * np.geomspace(1, 1e-2, 90)).astype(np.float32)
    x -= x.mean(0)
    exact = np.linalg.svd(x.astype(np.float64), full_matrices=False)[2].T
    found = linear_heads.axes(x)
    assert found.shape == (90, 39)  # of 40 centred rows one is what the others make it
    np.testing.assert_allclose(np.abs(np.sum(exact[:, :39] * found, axis=0)), 1, atol=1e-5)
    assert linear_heads.axes(np.zeros((3, 5), np.float32)).tolist() == [[0.0]] * 5


def test_principal_keeps_distances_up_to_scale() -> None:
    rng = np.random.default_rng(0)
    for shape in ((30, 5), (5, 30)):
        x = rng.normal(3, 2, shape).astype(np.float32)
        basis = linear_heads.principal(x)
        ratio = np.linalg.norm(x[0] - x[1:], axis=1) / np.linalg.norm(basis.x[0] - basis.x[1:], axis=1)
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
        np.testing.assert_allclose(basis.moments, np.square(basis.x).mean(0), rtol=1e-5)


def test_the_first_of_many_axes_are_the_exact_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(90, 80)) * np.geomspace(1, 1e-3, 80)).astype(np.float32)
    exact = linear_heads.axes(x, 8)
    monkeypatch.setattr(linear_heads, "_EXACT", 0)
    found = linear_heads.axes(x, 8)
    np.testing.assert_allclose(np.abs(np.sum(exact * found, axis=0)), 1, atol=1e-3)
    np.testing.assert_array_equal(found, linear_heads.axes(x, 8))


def test_probabilities_are_good_and_well_formed(digits: tuple[Floats, Ints, Ints]) -> None:
    x, labels, folds = digits
    result = out_of_fold.out_of_fold(x, labels, folds)
    assert result.pred_probs.shape == (360, 10)
    assert result.pred_probs.dtype == np.float32
    np.testing.assert_allclose(result.pred_probs.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(result.fold, folds[0])
    assert result.accuracy == (result.pred_probs.argmax(1) == labels).mean()
    assert result.accuracy > 0.9
    own = result.pred_probs[np.arange(360), labels]
    assert result.log_loss == pytest.approx(-np.log(own).mean(), rel=1e-5)
    assert result.strength in out_of_fold.STRENGTHS
    assert (result.repeats, result.note) == (2, "")


def test_the_strength_chosen_has_the_least_out_of_fold_loss(digits: tuple[Floats, Ints, Ints]) -> None:
    x, labels, folds = digits
    tried = (10.0, 0.05, 0.00001)
    alone = {s: out_of_fold.out_of_fold(x, labels, folds[0], strengths=[s]) for s in tried}
    assert out_of_fold.out_of_fold(x, labels, folds[0], strengths=tried).strength == 0.05
    assert min(tried, key=lambda s: alone[s].log_loss) == 0.05


def test_same_input_same_result(digits: tuple[Floats, Ints, Ints]) -> None:
    first, second = (out_of_fold.out_of_fold(*digits) for _ in range(2))
    np.testing.assert_array_equal(first.pred_probs, second.pred_probs)


def test_a_head_never_sees_the_labels_that_it_predicts(digits: tuple[Floats, Ints, Ints]) -> None:
    x, labels, folds = digits
    before = out_of_fold.out_of_fold(x, labels, folds[0], strengths=[0.1])
    changed = labels.copy()
    held_out = folds[0] == 2
    changed[held_out] = (changed[held_out] + 1) % 10
    after = out_of_fold.out_of_fold(x, changed, folds[0], strengths=[0.1])
    # What all share, temperatures and the neighbours' weight, moves; what the models make of each image does not.
    assert (before.pred_probs.argmax(1) == after.pred_probs.argmax(1))[held_out].mean() > 0.95
    heads = [out_of_fold.out_of_fold(x, y, folds[0], strengths=[0.1], witnesses=("heads",)) for y in (labels, changed)]
    logits = [np.log(r.pred_probs[held_out].astype(np.float64)) * r.temperature for r in heads]
    centred = [z - z.mean(1, keepdims=True) for z in logits]
    np.testing.assert_allclose(centred[0], centred[1], atol=1e-2)
    discriminants = [discriminant.held_out_logits(x, y, folds[0], 10, [0.3])[0.3] for y in (labels, changed)]
    np.testing.assert_array_equal(discriminants[0][held_out], discriminants[1][held_out])


def test_the_discriminant_is_that_of_scikit_learn(digits: tuple[Floats, Ints, Ints]) -> None:
    x, labels, folds = digits
    x = x - x.mean(0)
    ours = softmax(discriminant.held_out_logits(x, labels, folds[0], 10, [0.1])[0.1], axis=1)
    for number in np.unique(folds[0]):
        rest, held = folds[0] != number, folds[0] == number
        inner = x[rest] - np.stack([x[rest][labels[rest] == k].mean(0) for k in range(10)])[labels[rest]]
        share = 0.1 / 1.1  # scikit-learn's (1 - s) S + s m I is ours up to a factor, which the variances take
        found = LinearDiscriminantAnalysis(
            solver="lsqr", covariance_estimator=_Given(inner.T @ inner / rest.sum(), share)
        ).fit(x[rest], labels[rest])
        np.testing.assert_allclose(ours[held], found.predict_proba(x[held]), atol=1e-4)


class _Given:
    """A covariance estimator that gives the pooled covariance with a share of a ball, times what makes it ours."""

    def __init__(self, pooled: np.ndarray, share: float) -> None:
        ball = np.eye(len(pooled)) * np.trace(pooled) / len(pooled)
        self.covariance_ = ((1 - share) * pooled + share * ball) / (1 - share)

    def fit(self, _: np.ndarray) -> "_Given":
        return self


def test_row_order_does_not_matter(digits: tuple[Floats, Ints, Ints]) -> None:
    x, labels, folds = digits
    order = np.random.default_rng(1).permutation(len(labels))
    straight = out_of_fold.out_of_fold(x, labels, folds, strengths=[0.1])
    shuffled = out_of_fold.out_of_fold(x[order], labels[order], folds[:, order], strengths=[0.1])
    np.testing.assert_allclose(shuffled.pred_probs, straight.pred_probs[order], atol=2e-3)


def test_temperature_mends_heads_that_are_too_sure() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 60)).astype(np.float32)
    labels = rng.integers(0, 2, 120)
    result = out_of_fold.out_of_fold(x, labels, np.arange(120) % 3, strengths=[1e-4])
    assert result.temperature > 3
    assert result.log_loss < 0.75


def test_easy_classes_with_many_wrong_labels_are_penalised_more_than_usual() -> None:
    random = np.random.default_rng(0)
    truth = np.arange(600) % 2
    x = random.normal(size=(600, 40)).astype(np.float32) + 2 * np.eye(40, dtype=np.float32)[truth]
    given = np.where(random.random(600) < 0.2, 1 - truth, truth)
    result = out_of_fold.out_of_fold(x, given, np.arange(600) // 2 % 5)
    assert min(out_of_fold.STRENGTHS) < result.strength < max(out_of_fold.STRENGTHS), "the best is not at an edge"
    weaker = out_of_fold.out_of_fold(x, given, np.arange(600) // 2 % 5, strengths=[0.01])
    assert (result.pred_probs.argmax(axis=1) == truth).mean() > (weaker.pred_probs.argmax(axis=1) == truth).mean()


def test_a_class_that_a_fold_never_trains_on_is_improbable_there(
    digits: tuple[Floats, Ints, Ints],
) -> None:
    x, labels, folds = digits
    rare = np.where(labels == 9, 8, labels)
    rare[0] = 9
    result = out_of_fold.out_of_fold(x, rare, folds, strengths=[0.1])
    assert np.isfinite(result.pred_probs).all()
    assert 0 < result.pred_probs[0, 9] < 0.05


def test_many_classes_shrink_the_work_and_say_so(
    digits: tuple[Floats, Ints, Ints], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, labels, folds = digits
    monkeypatch.setattr(fold_heads, "MAX_COLUMNS", 50)
    result = out_of_fold.out_of_fold(x, labels, folds)
    assert result.repeats == 1
    assert "1 of 2 repeats, 1 of 4 folds" in result.note
    assert "5 of 8 L2 strengths, because of 10 classes" in result.note
    assert result.accuracy > 0.9


def test_out_of_memory_halves_the_heads_and_goes_on(
    digits: tuple[Floats, Ints, Ints], monkeypatch: pytest.MonkeyPatch, exhausted: Exception
) -> None:
    whole = out_of_fold.out_of_fold(*digits, strengths=[0.1])
    real, sizes = linear_heads.train, []

    def hungry(
        basis: linear_heads.Basis, labels: Ints, used: npt.NDArray[np.bool_], *rest: Any, **more: Any
    ) -> linear_heads.Heads:
        sizes.append(used.shape[1])
        if used.shape[1] > most:
            raise exhausted
        return real(basis, labels, used, *rest, **more)

    monkeypatch.setattr(fold_heads, "train", hungry)
    most = 2
    halved = out_of_fold.out_of_fold(*digits, strengths=[0.1])
    # The choice of strength and the heads that are used: four folds, then two repeats of four.
    assert sizes == [4, 2, 2, 8, 4, 2, 2, 2, 2]
    np.testing.assert_allclose(halved.pred_probs, whole.pred_probs, atol=1e-3)
    most = 0
    with pytest.raises(Failed, match="Out of memory for a single linear head"):
        out_of_fold.out_of_fold(*digits, strengths=[0.1])


def test_progress_ends_at_the_total(digits: tuple[Floats, Ints, Ints]) -> None:
    seen: list[tuple[int, int]] = []
    out_of_fold.out_of_fold(*digits, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (40, 40)  # 8 strengths on 4 folds, then 4 folds of 2 repeats


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.zeros(360, int)}, "1 class among 360"),
        ({"embeddings": np.full((360, 3), np.nan, np.float32)}, "360 of 360 embeddings hold NaN"),
        ({"labels": np.arange(359) % 2}, "do not fit"),
        ({"folds": np.zeros((1, 360), int)}, "one fold only"),
        ({"labels": np.arange(360) % 2 - 1}, "negative"),
        ({"strengths": [0.0]}, "one or more numbers above 0"),
    ],
)
def test_refuses(digits: tuple[Floats, Ints, Ints], change: dict[str, object], message: str) -> None:
    x, labels, folds = digits
    arguments = {"embeddings": x, "labels": labels, "folds": folds, **change}
    with pytest.raises(InputError, match=message):
        out_of_fold.out_of_fold(**arguments)


@pytest.mark.parametrize("votes", [0.0, 0.1, 0.2])
def test_new_images_are_predicted_as_out_of_fold(
    digits: tuple[Floats, Ints, Ints], monkeypatch: pytest.MonkeyPatch, votes: float
) -> None:
    monkeypatch.setattr(neighbor_votes, "WEIGHTS", (votes,))
    monkeypatch.setattr(neighbor_votes, "LEAST_GAIN", -1.0)
    x, labels, folds = digits
    old, new = slice(0, 270), slice(270, 360)
    inside = out_of_fold.out_of_fold(x[old], labels[old], folds[:, old], strengths=(0.1,))
    model = label_model.fit(
        x[old],
        labels[old],
        folds[0, old],
        10,
        strength=inside.strength,
        temperature=inside.temperature,
        discriminants=inside.discriminants,
        votes=votes,
    )
    assert len(model.seen) == (270 if votes else 0)
    assert label_model.LabelModel(**model.arrays()).pred_probs(x[new]).tolist() == model.pred_probs(x[new]).tolist()
    probs = model.pred_probs(x[new])
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
    assert (probs.argmax(1) == labels[new]).mean() > inside.accuracy - 0.05
    # The same images as one fold of all that the witnesses see.
    whole = out_of_fold.out_of_fold(x, labels, np.where(np.arange(360) < 270, 0, 1), strengths=(0.1,))
    assert np.abs(probs - whole.pred_probs[new]).mean() < 0.02
    with pytest.raises(InputError, match="as the run"):
        model.pred_probs(x[new, :10])


def test_of_many_images_some_tell_whether_all_are_voted_on(
    digits: tuple[Floats, Ints, Ints], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, labels, folds = digits
    monkeypatch.setattr(neighbor_votes, "WEIGHTS", (0.2,))
    monkeypatch.setattr(neighbor_votes, "LEAST_GAIN", -1.0)
    monkeypatch.setattr(neighbor_votes, "MOST", 100)
    alone = out_of_fold.out_of_fold(x, labels, folds, strengths=(0.1,), witnesses=("heads", "discriminant"))
    voted = neighbor_votes.held_out(linear_heads.principal(x, 256).x, labels, folds[0], 10)
    found = out_of_fold.out_of_fold(x, labels, folds, strengths=(0.1,))
    np.testing.assert_allclose(found.pred_probs, neighbor_votes.join(alone.pred_probs, voted, 0.2), atol=1e-5)
