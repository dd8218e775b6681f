"""The heads of a cross-validation: which are worth their work, their training, and what they say of rows that they hold
out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imageclinic.core.errors import Failed
from imageclinic.training.out_of_memory import ran_out
from imageclinic.training.predict.calibration import calibrate, log_loss
from imageclinic.training.predict.linear_heads import Basis, train

#: Most heads × classes that are trained together, that the choice of strength may take, and that repeats may.
MAX_COLUMNS = 4000
#: L2 strengths that are tried besides, one after the other, as long as the weakest so far is the best. A penalty is per
#: image, so many images want a smaller one: 16,000 images of 64 features .0003.
WEAKER = (0.001, 0.0003, 0.0001)

Floats = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]


class Head(NamedTuple):
    """One head: predicts `fold` of `repeat`, trained on that repeat's other folds."""

    repeat: int
    fold: int
    strength: float


class Fitted(NamedTuple):
    """A trained head. Its logits of rows x of the basis are ``x @ kernel + bias``."""

    kernel: Floats
    """(components, classes)"""
    bias: Floats
    """(classes,)"""


@dataclass(frozen=True)
class Task:
    """What heads are trained on."""

    basis: Basis
    labels: npt.NDArray[np.int32]
    """(n,)"""
    folds: npt.NDArray[np.int32]
    """(repeats, n)"""
    classes: int
    judged: npt.NDArray[np.bool_] | None = None
    """(n,) the rows on which strengths are compared and temperatures found; None: all."""

    def held_out(self, head: Head) -> npt.NDArray[np.bool_]:
        """(n,) the rows that `head` does not train on."""
        rows: npt.NDArray[np.bool_] = self.folds[head.repeat] == head.fold
        return rows

    def judging(self, head: Head) -> npt.NDArray[np.bool_]:
        """(n,) the rows that `head` is judged by."""
        return self.held_out(head) if self.judged is None else self.held_out(head) & self.judged


def plan(task: Task, strengths: Sequence[float]) -> tuple[list[Head], int, str]:
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
    return [h for h in heads_of(task.folds[:1], tried) if h.fold < looked_at], averaged, note


def heads_of(folds: npt.NDArray[np.int32], strengths: Iterable[float]) -> list[Head]:
    """The heads of all repeats and folds, (repeats, n), one for each strength."""
    return [Head(r, int(f), s) for s in strengths for r in range(len(folds)) for f in np.unique(folds[r])]


def trained(
    task: Task, heads: Sequence[Head], tolerance: float, before: int, count: int, progress: Progress | None
) -> Iterator[tuple[Head, Fitted]]:
    """Train the heads, `MAX_COLUMNS` at once. Where memory runs out half as many, whose last bits may differ.

    `before` of the `count` heads whose progress is reported are already done.

    Raises:
        Failed: when memory does not bear a single head.
    """
    at_once, at = max(1, MAX_COLUMNS // task.classes), 0
    while at < len(heads):
        batch = heads[at : at + at_once]

        def report(step: int, most: int, done: int = before + at, size: int = len(batch)) -> None:
            if progress is not None:
                progress(done + size * step // most, count)

        used = np.stack([~task.held_out(head) for head in batch], axis=1)
        penalty = np.array([head.strength for head in batch], np.float32)
        try:
            found = train(task.basis, task.labels, used, penalty, task.classes, tolerance=tolerance, progress=report)
        except Exception as error:
            if not ran_out(error):
                raise
            if at_once == 1:
                raise Failed("Out of memory for a single linear head. Try a --model with narrower vectors.") from error
            at_once = max(1, len(batch) // 2)
            continue
        for h, head in enumerate(batch):
            yield head, Fitted(found.kernel[:, h], found.bias[h])
        at += len(batch)
        report(1, 1)


def judged_logits(task: Task, head: Head, fitted: Fitted) -> Floats:
    """Logits of the rows that a head is judged by, (rows, classes)."""
    return np.asarray(task.basis.x[task.judging(head)] @ fitted.kernel + fitted.bias)


#: Trains heads, as `trained` does.
Train = Callable[[Task, Sequence[Head], float, int, int, Progress | None], Iterator[tuple[Head, Fitted]]]


def best_strength(
    task: Task, strengths: Sequence[float], tolerance: float, progress: Progress | None, train_heads: Train = trained
) -> tuple[float, list[Head], int, int, str]:
    """The L2 strength with the least calibrated loss in the first repeat, by heads that `train_heads` trains. Where it
    is the weakest of several, weaker ones are tried, see `WEAKER`.

    Returns:
        The strength; the heads to use with it; how many heads were trained, how many there are with those to use; and
        a note of what had to be left out.
    """
    search, repeats, note = plan(task, strengths)
    used, folds = len(heads_of(task.folds[:repeats], strengths[:1])), list(dict.fromkeys(h.fold for h in search))
    weaker = [s for s in WEAKER if s < min(strengths)] if len(strengths) > 1 else []
    losses: dict[float, float] = {}
    done = 0
    while search:
        count = done + len(search) + used
        found = train_heads(task, search, tolerance, done, count, progress)
        logits = {head: judged_logits(task, head, fitted) for head, fitted in found}
        for s in {head.strength for head in search}:
            losses[s] = _loss(task, {head: z for head, z in logits.items() if head.strength == s})
        done += len(search)
        best = min(losses, key=losses.__getitem__)
        following = weaker[:1] if best == min(losses) else []
        search, weaker = [Head(0, fold, s) for s in following for fold in folds], weaker[1:]
    return best, heads_of(task.folds[:repeats], [best]), done, count, note


def _loss(task: Task, logits: Mapping[Head, Floats]) -> float:
    """Mean log loss, in nats, over the rows that these heads are judged by, once calibrated."""
    labels = np.concatenate([task.labels[task.judging(head)] for head in logits])
    return log_loss(calibrate(np.concatenate(list(logits.values()))[None], labels)[0], labels)
