"""Out-of-fold class probabilities from embeddings: what every image's label looks like to the other images.

For each repeat and fold a linear head (multinomial logistic regression with an L2 penalty) is trained on the
other folds and predicts the held-out one; no head ever sees an image that it predicts, nor, with folds
grouped by copies, a copy of it. The heads of many folds are trained at once (`training.predict.linear_heads`). One
temperature, with the least out-of-fold log loss, calibrates the probabilities (Guo et al. 2017), which are
averaged over the repeats. The L2 strength is the one with the least calibrated loss in the first repeat: under
wrong labels a strong penalty, sharpened afterwards, ranks better than a weak one that fits them.

That choice is one number among seven, made on all images, and not nested in the folds, not for small classes
either: on 27 samples of 100 to 400 images (10 to 40 a class) of CIFAR-10N, photographs of hands and digits, a
nested choice had a greater log loss on the *true* labels (1.18 against 1.15 nats) and a lower average precision of
the ranking (.641 against .650), because it sees fewer images.

A linear discriminant (`training.predict.discriminant`), fitted in closed form to the same folds, is a second witness:
the geometric mean of the two, each calibrated, ranks better than either (docs/mislabels.md). The votes of the nearest
other images (`training.predict.neighbor_votes`) join them with the weight that the log loss chooses, which may be 0.

The result is the probability of the *given* label. With noisy labels that is not the probability of the true
one; it is what confident learning (Northcutt et al. 2021) takes as its input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy.special import softmax

from imageclinic.core.errors import Failed, InputError
from imageclinic.training.predict import discriminant, neighbor_votes
from imageclinic.training.predict.calibration import calibrate, log_loss
from imageclinic.training.predict.linear_heads import Basis, principal, train

#: L2 strengths to choose from, per image, for embeddings scaled to unit mean variance.
STRENGTHS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
#: What predicts the labels; the result is their geometric mean, of the neighbours with a weight of their own.
WITNESSES = ("heads", "discriminant", "neighbours")
#: Most heads × classes that are trained together, that the choice of strength may take, and that repeats may.
MAX_COLUMNS = 4000
# How exactly heads are trained (`heads.train`): to compare strengths, and to be used.
_SEARCH_TOLERANCE = 1e-6
_TOLERANCE = 3e-8
# Principal components that the witnesses see: more cost time and rank no better (docs/mislabels.md).
_COMPONENTS = 256

Progress = Callable[[int, int], None]


class Head(NamedTuple):
    """One head: predicts `fold` of `repeat`, trained on that repeat's other folds."""

    repeat: int
    fold: int
    strength: float


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold predictions, and how they were made."""

    pred_probs: npt.NDArray[np.float32]
    """(n, classes), rows sum to 1: the probability that the given label is each class."""
    fold: npt.NDArray[np.int32]
    """(n,) the fold in which an image was held out, in the first repeat."""
    strength: float
    """The L2 strength chosen."""
    votes: float
    """The weight of the neighbours' votes, in [0, 1)."""
    temperature: float
    """What the logits were divided by; above 1 where the heads were too sure."""
    log_loss: float
    """Mean −log probability of the given label, in nats."""
    accuracy: float
    """Share of images whose given label is the likeliest one."""
    repeats: int
    """Repeats that were averaged."""
    note: str
    """What was left out of the repeats and of the choice of strength, to bound the work; empty if nothing."""


def out_of_fold(
    embeddings: npt.NDArray[np.float32],
    labels: npt.NDArray[np.integer],
    folds: npt.NDArray[np.integer],
    *,
    strengths: Sequence[float] = STRENGTHS,
    witnesses: Sequence[str] = WITNESSES,
    progress: Progress | None = None,
) -> OutOfFold:
    """Predict every image's label from the other folds.

    Work and memory grow with heads × classes. So as classes grow, fewer repeats are averaged, and the
    strength is chosen on fewer folds, then among fewer strengths (see `MAX_COLUMNS`); the result's note says
    so. Every image is always predicted, by heads trained without its fold.

    Nothing is drawn at random here: the same input gives the same result. Where memory runs out, half as many
    heads are trained at once.

    Args:
        embeddings: float32 (n, d). They are centred, scaled and turned as a whole, held-out rows included:
            that looks at no label, so nothing leaks.
        labels: (n,) class numbers, 0 to classes − 1. A class that is missing from a fold's training part gets
            its probability there from the bias alone, about 1 / (classes · n): flag classes with fewer images
            than folds.
        folds: (repeats, n) or (n,): fold numbers from 0, drawn elsewhere, copies in the same fold.
        strengths: L2 strengths to choose from; one alone skips the choice.
        witnesses: which of `WITNESSES` to average; heads or discriminant, or both, must be among them.
        progress: called with (heads trained, heads in all).

    Raises:
        InputError: when shapes differ, an embedding is not finite, labels or folds are negative, there is one
            class only, or a repeat has fewer than two folds.
        Failed: when memory does not bear a single head.
    """
    given, held = np.asarray(labels, np.int32), np.atleast_2d(np.asarray(folds, np.int32))
    _check(embeddings, given, held, strengths)
    task = _Task(principal(np.asarray(embeddings, np.float32), _COMPONENTS), given, held, int(given.max()) + 1)
    search, repeats, note = _plan(task, strengths)
    wanted = {s: _heads(held[:repeats], [s]) for s in {h.strength for h in search}}
    count = len(search) + len(wanted[search[0].strength])
    logits = _held_out_logits(task, search, _SEARCH_TOLERANCE, 0, count, progress)
    strength = min(wanted, key=lambda s: _loss(task, {h: z for h, z in logits.items() if h.strength == s}))
    logits = _held_out_logits(task, wanted[strength], _TOLERANCE, len(search), count, progress)

    z = np.empty((repeats, len(given), task.classes), np.float32)
    for head in wanted[strength]:
        z[head.repeat, task.held_out(head)] = logits[head]
    heads, temperature = calibrate(z, given)
    found = [heads] if "heads" in witnesses else []
    if "discriminant" in witnesses:
        found.append(_discriminants(task, repeats))
    probs = softmax(np.mean([np.log(np.maximum(p, 1e-12)) for p in found], axis=0), axis=1)
    votes = 0.0
    if "neighbours" in witnesses:
        voted = neighbor_votes.held_out(task.basis.x, given, held[0], task.classes)
        votes = neighbor_votes.best_weight(probs, voted, given)
        probs = neighbor_votes.join(probs, voted, votes)
    return OutOfFold(
        pred_probs=probs,
        fold=held[0],
        strength=strength,
        votes=votes,
        temperature=temperature,
        log_loss=log_loss(probs, given),
        accuracy=float((probs.argmax(1) == given).mean()),
        repeats=repeats,
        note=note,
    )


def _discriminants(task: _Task, repeats: int) -> npt.NDArray[np.float32]:
    """Probabilities (n, classes) by linear discriminants: the shrinkage is chosen in the first repeat."""

    def logits(fold: npt.NDArray[np.int32], shrinkages: Sequence[float]) -> dict[float, npt.NDArray[np.float32]]:
        return discriminant.held_out_logits(task.basis.x, task.labels, fold, task.classes, shrinkages)

    tried = logits(task.folds[0], discriminant.SHRINKAGES)
    best = min(tried, key=lambda s: log_loss(calibrate(tried[s][None], task.labels)[0], task.labels))
    others = [logits(fold, [best])[best] for fold in task.folds[1:repeats]]
    return calibrate(np.stack([tried[best], *others]), task.labels)[0]


@dataclass(frozen=True)
class _Task:
    basis: Basis
    labels: npt.NDArray[np.int32]
    folds: npt.NDArray[np.int32]
    classes: int

    def held_out(self, head: Head) -> npt.NDArray[np.bool_]:
        """(n,) the rows that `head` predicts."""
        rows: npt.NDArray[np.bool_] = self.folds[head.repeat] == head.fold
        return rows


def _plan(task: _Task, strengths: Sequence[float]) -> tuple[list[Head], int, str]:
    """Heads for the choice of strength, number of repeats, and a note of what had to be left out."""
    count, repeats = int(task.folds.max()) + 1, len(task.folds)
    affordable = max(3, MAX_COLUMNS // task.classes)
    tried = wanted = list(dict.fromkeys(strengths))
    if len(wanted) > affordable:
        tried = [wanted[i] for i in np.linspace(0, len(wanted) - 1, affordable).round().astype(int)]
    looked_at = int(np.clip(affordable // len(tried), 1, count))
    averaged = int(np.clip(affordable // count, 1, repeats))
    left_out = [
        f"{done} of {of} {what}"
        for done, of, what in (
            (averaged, repeats, "repeats"),
            (looked_at, count, "folds in the choice of the L2 strength"),
            (len(tried), len(wanted), "L2 strengths"),
        )
        if done < of
    ]
    note = f"{', '.join(left_out)}, because of {task.classes:,} classes" if left_out else ""
    return [h for h in _heads(task.folds[:1], tried) if h.fold < looked_at], averaged, note


def _heads(folds: npt.NDArray[np.int32], strengths: Iterable[float]) -> list[Head]:
    return [Head(r, int(f), s) for s in strengths for r in range(len(folds)) for f in np.unique(folds[r])]


def _held_out_logits(
    task: _Task, heads: Sequence[Head], tolerance: float, before: int, count: int, progress: Progress | None
) -> dict[Head, npt.NDArray[np.float32]]:
    """Train the heads, as many at once as memory allows: of each, the logits of the rows that it holds out.

    `before` of the `count` heads whose progress is reported are already done.
    """
    at_once = max(1, MAX_COLUMNS // task.classes)
    logits: dict[Head, npt.NDArray[np.float32]] = {}
    while len(logits) < len(heads):
        batch = heads[len(logits) : len(logits) + at_once]

        def report(step: int, most: int, done: int = before + len(logits), size: int = len(batch)) -> None:
            if progress is not None:
                progress(done + size * step // most, count)

        used = np.stack([~task.held_out(head) for head in batch], axis=1)
        penalty = np.array([head.strength for head in batch], np.float32)
        try:
            layer = train(task.basis, task.labels, used, penalty, task.classes, tolerance=tolerance, progress=report)
        except tf.errors.ResourceExhaustedError as error:
            if at_once == 1:
                raise Failed("Out of memory for a single linear head. Try a --model with narrower vectors.") from error
            at_once = max(1, len(batch) // 2)
            continue
        kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
        for h, head in enumerate(batch):
            logits[head] = task.basis.x[task.held_out(head)] @ kernel[:, h] + bias[h]
        report(1, 1)
    return logits


def _loss(task: _Task, logits: Mapping[Head, npt.NDArray[np.float32]]) -> float:
    """Mean log loss, in nats, over the rows that these heads hold out, once calibrated."""
    labels = np.concatenate([task.labels[task.held_out(head)] for head in logits])
    return log_loss(calibrate(np.concatenate(list(logits.values()))[None], labels)[0], labels)


def _check(
    embeddings: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int32],
    folds: npt.NDArray[np.int32],
    strengths: Sequence[float],
) -> None:
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1] or folds.shape[1:] != labels.shape:
        raise InputError(
            f"embeddings {embeddings.shape}, labels {labels.shape} and folds {folds.shape} do not fit",
            expected="(n, d), (n,) and (repeats, n)",
        )
    if len(np.unique(labels)) < 2:
        raise InputError(
            f"{len(np.unique(labels))} class among {len(labels)} labelled images",
            expected="at least two classes",
            fix="there is nothing to tell apart: leave out the checks that judge labels",
        )
    bad = np.flatnonzero(~np.isfinite(embeddings).all(1))
    if len(bad):
        raise InputError(
            f"{len(bad)} of {len(embeddings)} embeddings hold NaN or infinity, the first is row {bad[0]}",
            expected="finite numbers",
            fix="embed these images again, with another --model",
        )
    if labels.min() < 0 or folds.min() < 0:
        raise InputError("a label or fold number is negative", expected="labels and folds from 0")
    if any(len(np.unique(fold)) < 2 for fold in folds):
        raise InputError("a repeat has one fold only", expected="at least two folds in every repeat")
    if not strengths or min(strengths) <= 0:
        raise InputError(f"strengths {list(strengths)}", expected="one or more numbers above 0")
