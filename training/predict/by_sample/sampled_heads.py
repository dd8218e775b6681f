"""Heads and discriminants of a dataset that has more rows than they need: fitted to a sample, to predict all.

The folds are those of all rows, so that every row, in the sample or not, is predicted by what was fitted without its
fold. Else all is as in `training.predict.out_of_fold`, but for what would grow with rows × classes: shrinkages and
temperatures are found on `JUDGED` values, evenly spread, instead of on all; strengths are compared by heads that are
fitted to `SEARCHED` rows; heads are fitted as exactly as `TOLERANCE` says, and in pieces (`heads_in_pieces`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imageclinic.core.engines.piece_map import PieceMap, here
from imageclinic.core.large.large_arrays import rows_at_once
from imageclinic.training.predict import discriminant, witness_weights
from imageclinic.training.predict.by_sample import fitting_sample, heads_in_pieces
from imageclinic.training.predict.by_sample.fold_model import FoldModel
from imageclinic.training.predict.calibration import calibrate, log_loss
from imageclinic.training.predict.fold_heads import Task, best_strength, heads_of, judged_logits
from imageclinic.training.predict.linear_heads import Basis
from imageclinic.training.predict.out_of_fold import COMPONENTS, STRENGTHS

#: Held-out values (repeats × rows × classes) on which strengths, shrinkages and temperatures are found.
JUDGED = 50_000_000
#: Rows on which strengths are compared, and rows of each class on average at least: a strength is one of eight numbers,
#: and eight times five heads on a million rows took most of an audit's time.
SEARCHED, SEARCHED_OF_CLASS = 100_000, 1_000
#: How exactly heads are fitted, see `training.predict.linear_heads.train`. Another draw of a million rows changes more:
#: the expected excess loss of a fit is half a parameter a row, 6·10⁻⁴ nats for 64 components and 20 classes.
TOLERANCE = 1e-5

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SampledHeads:
    """What predicts all rows, and how it was made."""

    model: FoldModel
    strength: float
    """The L2 strength chosen."""
    repeats: int
    """Repeats that are averaged."""
    note: str
    """What was left out to bound the work, see `training.predict.out_of_fold.OutOfFold`."""


def fit(
    vectors: Floats,
    rows: npt.NDArray[np.integer],
    labels: npt.NDArray[np.integer],
    folds: npt.NDArray[np.integer],
    drawn: npt.NDArray[np.bool_],
    *,
    strengths: Sequence[float] = STRENGTHS,
    tolerance: float = TOLERANCE,
    piece_map: PieceMap = here,
    progress: Callable[[int, int], None] | None = None,
) -> SampledHeads:
    """Fit to the rows that are `drawn`. Nothing is drawn at random here, and memory grows with these rows alone.

    Args:
        vectors: finite, (m, d); those that are not drawn are not read.
        rows: (n,) which of these are labelled, ascending.
        labels: (n,) class numbers, two at least.
        folds: (repeats, n) fold numbers, copies in one.
        drawn: (n,) the sample.
        strengths: see `training.predict.out_of_fold.out_of_fold`.
        tolerance: see `TOLERANCE`.
        piece_map: where heads are fitted.
        progress: called with (heads trained, heads in all).

    Raises:
        InputError, Failed: see `core.engines.piece_map.PieceMap`.
    """
    given, held, used = labels[drawn].astype(np.int32), folds[:, drawn].astype(np.int32), rows[drawn]
    classes = int(labels.max()) + 1
    mean, turn, basis = _principal(vectors, used)
    judged = _judged(held, classes)
    task = Task(basis, given, held, classes, judged)
    train = functools.partial(heads_in_pieces.trained, piece_map)

    searched = _searched(task)
    strength, of_searched, before, count, note = best_strength(searched, strengths, tolerance, progress, train)
    repeats = 1 + max(head.repeat for head in of_searched)
    wanted = heads_of(held[:repeats], [strength])
    shape = (2, repeats, int(folds.max()) + 1)
    kernels = np.zeros((*shape, basis.x.shape[1], classes), np.float32)
    biases = np.zeros((*shape, classes), np.float32)
    z = np.empty((repeats, int(judged.sum()), classes), np.float32)
    for head, fitted in train(task, wanted, tolerance, before, count, progress):
        z[head.repeat, task.judging(head)[judged]] = judged_logits(task, head, fitted)
        kernels[0, head.repeat, head.fold], biases[0, head.repeat, head.fold] = fitted
    heads, temperature = calibrate(z, given[judged])
    others, temperature_of_others = _discriminants(task, judged, kernels[1], biases[1])
    share = witness_weights.of_discriminants(heads, others, given[judged])
    return SampledHeads(
        FoldModel(
            mean=mean,
            turn=turn,
            kernels=kernels,
            biases=biases,
            temperatures=np.array([temperature, temperature_of_others], np.float32),
            shares=np.array([1 - share, share], np.float32),
            shift=fitting_sample.shift(labels, drawn),
        ),
        strength,
        repeats,
        note,
    )


def _searched(task: Task) -> Task:
    """The part of a task on which strengths are compared."""
    most = max(SEARCHED, SEARCHED_OF_CLASS * task.classes)
    if len(task.labels) <= most:
        return task
    part = fitting_sample.evenly(task.labels, most)
    x = task.basis.x[part]
    folds = task.folds[:, part]
    return Task(Basis(x, _mean_squares(x)), task.labels[part], folds, task.classes, _judged(folds, task.classes))


def _judged(folds: npt.NDArray[np.integer], classes: int) -> npt.NDArray[np.bool_]:
    """(n,) the rows whose held-out values are looked at, `JUDGED` in all repeats (repeats, n)."""
    judged = np.zeros(folds.shape[1], bool)
    judged[:: max(1, -(-folds.size * classes // JUDGED))] = True
    return judged


def _discriminants(task: Task, judged: npt.NDArray[np.bool_], kernels: Floats, biases: Floats) -> tuple[Floats, float]:
    """Fit a discriminant to each repeat's folds into `kernels` (repeats, folds, …) and `biases`; the shrinkage is
    chosen in the first repeat. Returns the judged rows' probabilities, (judged, classes), and their temperature."""
    given, x = task.labels[judged], task.basis.x[judged]
    shrinkages: Sequence[float] = discriminant.SHRINKAGES
    logits = []
    for repeat in range(len(kernels)):
        fold = task.folds[repeat]
        sums = {int(f): discriminant.Sums.of(*_rows(task, fold == f), task.classes) for f in np.unique(fold)}
        tried = {s: np.empty((len(given), task.classes), np.float32) for s in shrinkages}
        layers = {}
        for f in sums:
            others = [part for other, part in sums.items() if other != f]
            layers[f] = sum(others[1:], others[0]).layers(shrinkages)
            held = fold[judged] == f
            for s, (kernel, bias) in layers[f].items():
                tried[s][held] = x[held] @ kernel + bias
        if len(shrinkages) > 1:
            shrinkages = [min(tried, key=lambda s: log_loss(calibrate(tried[s][None], given)[0], given))]
        (best,) = shrinkages
        logits.append(tried[best])
        for f in layers:
            kernels[repeat, f], biases[repeat, f] = layers[f][best]
    return calibrate(np.stack(logits), given)


def _rows(task: Task, wanted: npt.NDArray[np.bool_]) -> tuple[Floats, npt.NDArray[np.int32]]:
    return task.basis.x[wanted], task.labels[wanted]


def _principal(vectors: Floats, used: npt.NDArray[np.integer]) -> tuple[Floats, Floats, Basis]:
    """Mean, the matrix that scales and turns centred vectors to their principal components, and the `used` rows so;
    a piece of these is in memory at a time. See `training.predict.linear_heads.principal`."""
    size = rows_at_once(vectors.shape[1], np.float32)

    def pieces() -> Iterator[Floats]:
        for at in range(0, len(used), size):
            yield np.asarray(vectors[used[at : at + size]], np.float32)

    total = np.zeros(vectors.shape[1])
    for piece in pieces():
        total += piece.sum(0, dtype=np.float64)
    mean = (total / len(used)).astype(np.float32)
    products = np.zeros((vectors.shape[1],) * 2)
    for piece in pieces():
        centred = piece - mean
        products += centred.T @ centred
    scale = max(float(np.sqrt(np.trace(products) / len(used) / len(mean))), float(np.finfo(np.float32).tiny))
    turn = (np.linalg.eigh(products)[1][:, ::-1][:, :COMPONENTS] / scale).astype(np.float32)
    x = np.empty((len(used), turn.shape[1]), np.float32)
    at = 0
    for piece in pieces():
        x[at : at + len(piece)] = (piece - mean) @ turn
        at += len(piece)
    return mean, turn, Basis(x, _mean_squares(x))


def _mean_squares(x: Floats) -> Floats:
    """(components,): mean square of each column, without another array like `x`."""
    sums = np.einsum("nd,nd->d", x, x, dtype=np.float64)
    return np.asarray(sums / len(x), np.float32)
