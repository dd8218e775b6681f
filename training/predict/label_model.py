"""Class probabilities of images that were not in a run, by what predicts the run's own images out of fold: a linear
head and, where it counted there, a linear discriminant on the same embeddings (`training.predict.out_of_fold`), fitted
to all of the run's, and the votes of the nearest of the run's images where these counted there.

The first two are linear in the embedding: a few small arrays, and predicting is a matrix product.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax

from imageclinic.core.errors import InputError
from imageclinic.training.predict import discriminant, neighbor_votes
from imageclinic.training.predict.calibration import calibrate, log_loss
from imageclinic.training.predict.linear_heads import train
from imageclinic.training.predict.linear_probe import principal_axes

#: Principal components that are looked at, as out of fold.
_COMPONENTS = 256
_TOLERANCE = 3e-8

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LabelModel:
    """What was fitted. Logits of witness w are ``((v − mean) @ turn @ kernels[w] + biases[w]) / temperatures[w]``.

    Neighbours are looked for among `seen`, whose votes count `votes`."""

    mean: Floats
    """(d,)"""
    turn: Floats
    """(d, components)"""
    kernels: Floats
    """(witnesses, components, classes)"""
    biases: Floats
    """(witnesses, classes)"""
    temperatures: Floats
    """(witnesses,)"""
    shares: Floats
    """(witnesses,): their shares of the geometric mean, which sum to 1."""
    votes: Floats
    """(): weight of the neighbours, in [0, 1)."""
    seen: Floats
    """(m, components): images of the run, turned; none where neighbours don't count."""
    seen_labels: npt.NDArray[np.int32]
    """(m,): their class numbers."""

    def pred_probs(self, vectors: npt.NDArray[np.floating]) -> Floats:
        """(m, d) → (m, classes), rows sum to 1: the probability that the given label is each class. Raises InputError
        when the vectors are of another width."""
        if vectors.shape[1:] != self.mean.shape:
            raise InputError(f"vectors of {vectors.shape[1]} numbers", expected=f"{len(self.mean)}, as the run's")
        x = (vectors - self.mean) @ self.turn
        logits = np.einsum("nd,wdk->wnk", x, self.kernels) + self.biases[:, None]
        each = log_softmax(logits / self.temperatures[:, None, None], axis=2)
        probs = np.asarray(softmax(np.tensordot(self.shares, each, 1), axis=1), np.float32)
        if not self.votes:
            return probs
        voted = neighbor_votes.votes(np.asarray(x, np.float32), self.seen, self.seen_labels, probs.shape[1])
        return neighbor_votes.join(probs, voted, float(self.votes))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What it is made of, to be kept."""
        return dict(asdict(self))


def fit(
    embeddings: Floats,
    labels: npt.NDArray[np.integer],
    fold: npt.NDArray[np.integer],
    classes: int,
    *,
    strength: float,
    temperature: float,
    discriminants: float,
    votes: float,
) -> LabelModel:
    """Fit the witnesses to all images. Nothing is drawn at random.

    Args:
        embeddings: (n, d).
        labels: (n,) class numbers.
        fold: (n,) folds by which the discriminant's shrinkage and temperature are chosen, copies in one.
        classes: number of classes.
        strength: the head's L2 strength, as chosen out of fold.
        temperature: what the head's logits are divided by, as found out of fold.
        discriminants: the discriminant's share of the mean, as found out of fold.
        votes: the weight of the neighbours' votes, as found out of fold.
    """
    mean, turn, basis = principal_axes(embeddings, _COMPONENTS)
    given = labels.astype(np.int32)
    used = np.ones((len(given), 1), bool)
    head = train(basis, given, used, np.array([strength], np.float32), classes, tolerance=_TOLERANCE)
    tried = discriminant.held_out_logits(basis.x, given, fold, classes, discriminant.SHRINKAGES)
    scored = {s: calibrate(logits[None], given) for s, logits in tried.items()}
    best = min(scored, key=lambda s: log_loss(scored[s][0], given))
    kernel, bias = discriminant.fit(basis.x, given, classes, best)
    seen = neighbor_votes.spread(np.arange(len(given) if votes else 0))
    return LabelModel(
        mean=mean,
        turn=turn,
        kernels=np.stack([head.kernel[:, 0], kernel]),
        biases=np.stack([head.bias[0], bias]),
        temperatures=np.array([temperature, scored[best][1]], np.float32),
        shares=np.array([1 - discriminants, discriminants], np.float32),
        votes=np.array(votes, np.float32),
        seen=basis.x[seen],
        seen_labels=given[seen],
    )
