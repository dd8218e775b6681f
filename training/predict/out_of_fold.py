"""Out-of-fold class probabilities from embeddings: what every image's label looks like to the other images.

For each repeat and fold a linear head (multinomial logistic regression with an L2 penalty) is trained on the
other folds and predicts the held-out one; no head ever sees an image that it predicts, nor, with folds
grouped by copies, a copy of it. The heads of many folds are trained at once (`training.predict.linear_heads`). One
temperature, with the least out-of-fold log loss, calibrates the probabilities (Guo et al. 2017), which are
averaged over the repeats. The L2 strength is the one with the least calibrated loss in the first repeat: under
wrong labels a strong penalty, sharpened afterwards, ranks better than a weak one that fits them.

That choice is one number among eight, made on all images, and not nested in the folds, not for small classes
either: on 27 samples of 100 to 400 images (10 to 40 a class) of CIFAR-10N, photographs of hands and digits, a
nested choice had a greater log loss on the *true* labels (1.18 against 1.15 nats) and a lower average precision of
the ranking (.641 against .650), because it sees fewer images.

A linear discriminant (`training.predict.discriminant`), fitted in closed form to the same folds, is a second witness:
the geometric mean of the two, each calibrated, ranks better than either (docs/mislabels.md), and it is left out where
heads alone foretell held-out labels clearly better (`training.predict.witness_weights`). The votes of the nearest
other images (`training.predict.neighbor_votes`) join them with the weight that the log loss chooses, which may be 0.

The result is the probability of the *given* label. With noisy labels that is not the probability of the true
one; it is what confident learning (Northcutt et al. 2021) takes as its input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imageclinic.core.errors import InputError
from imageclinic.training.predict import discriminant, neighbor_votes, witness_weights
from imageclinic.training.predict.calibration import calibrate, log_loss
from imageclinic.training.predict.fold_heads import Task, best_strength, judged_logits, trained
from imageclinic.training.predict.linear_heads import principal

#: L2 strengths to choose from, per image, for embeddings scaled to unit mean variance. Those above 1 are chosen where
#: classes are easy and labels are wrong, such as cats and dogs.
STRENGTHS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
#: What predicts the labels; the result is their geometric mean, of the neighbours with a weight of their own.
WITNESSES = ("heads", "discriminant", "neighbours")
#: How exactly heads are trained (`linear_heads.train`): to compare strengths, and to be used.
SEARCH_TOLERANCE = 1e-6
TOLERANCE = 3e-8
#: Principal components that the witnesses see: more cost time and rank no better (docs/mislabels.md).
COMPONENTS = 256

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold predictions, and how they were made."""

    pred_probs: npt.NDArray[np.float32]
    """(n, classes), rows sum to 1: the probability that the given label is each class."""
    fold: npt.NDArray[np.int32]
    """(n,) the fold in which an image was held out, in the first repeat."""
    strength: float
    """The L2 strength chosen."""
    discriminants: float
    """The discriminants' share of the geometric mean with the heads, in [0, 1]."""
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
    strength is chosen on fewer folds, then among fewer strengths (see `fold_heads.MAX_COLUMNS`); the result's note says
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
    task = Task(principal(np.asarray(embeddings, np.float32), COMPONENTS), given, held, int(given.max()) + 1)
    strength, wanted, before, count, note = best_strength(task, strengths, SEARCH_TOLERANCE, progress)
    repeats = 1 + max(head.repeat for head in wanted)
    z = np.empty((repeats, len(given), task.classes), np.float32)
    for head, fitted in trained(task, wanted, TOLERANCE, before, count, progress):
        z[head.repeat, task.judging(head)] = judged_logits(task, head, fitted)
    heads, temperature = calibrate(z, given)
    share, probs = float("heads" not in witnesses), heads
    if "discriminant" in witnesses:
        others = _discriminants(task, repeats)
        share = share or witness_weights.of_discriminants(heads, others, given)
        probs = witness_weights.join(heads, others, share)
    votes = 0.0
    if "neighbours" in witnesses:
        # So many tell whether the votes of all are worth the minutes.
        some = neighbor_votes.spread(np.arange(len(given)))
        voted = neighbor_votes.held_out(task.basis.x, given, held[0], task.classes, some)
        votes = neighbor_votes.best_weight(probs[some], voted, given[some])
        if votes:
            if len(some) < len(given):
                voted = neighbor_votes.held_out(task.basis.x, given, held[0], task.classes)
            probs = neighbor_votes.join(probs, voted, votes)
    return OutOfFold(
        pred_probs=probs,
        fold=held[0],
        strength=strength,
        discriminants=share,
        votes=votes,
        temperature=temperature,
        log_loss=log_loss(probs, given),
        accuracy=float((probs.argmax(1) == given).mean()),
        repeats=repeats,
        note=note,
    )


def _discriminants(task: Task, repeats: int) -> npt.NDArray[np.float32]:
    """Probabilities (n, classes) by linear discriminants: the shrinkage is chosen in the first repeat."""

    def logits(fold: npt.NDArray[np.int32], shrinkages: Sequence[float]) -> dict[float, npt.NDArray[np.float32]]:
        return discriminant.held_out_logits(task.basis.x, task.labels, fold, task.classes, shrinkages)

    tried = logits(task.folds[0], discriminant.SHRINKAGES)
    best = min(tried, key=lambda s: log_loss(calibrate(tried[s][None], task.labels)[0], task.labels))
    others = [logits(fold, [best])[best] for fold in task.folds[1:repeats]]
    return calibrate(np.stack([tried[best], *others]), task.labels)[0]


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
