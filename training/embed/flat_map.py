"""Embeddings in two dimensions: what looks alike lies together. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

#: Images that t-SNE places itself; those beyond are put between the nearest of these. Its time grows with them:
#: about 12 s of one core for 4,000.
MOST_FITTED = 4_000
#: Of the method below. A map of another version is made again.
METHOD = "pca 50, t-sne, version 1"
_COMPONENTS, _PERPLEXITY, _ITERATIONS = 50, 30, 600
_NEAREST, _PIECE = 5, 4_096


def flat_map(vectors: npt.NDArray[np.float32], *, seed: int, most: int = MOST_FITTED) -> npt.NDArray[np.float32]:
    """Place images in the plane by their embeddings.

    The directions of the vectors are reduced to 50 principal components, and these by t-SNE (van der Maaten & Hinton
    2008, with Barnes-Hut approximation: van der Maaten 2014), started from the first two components so that large
    distances mean something (Kobak & Berens 2019). Of more than `most` images a random sample is placed so; each of the
    others lies at the mean of its 5 nearest in the sample, weighted by closeness.

    Args:
        vectors: float32 (images, dimensions).
        seed: of the sample and of t-SNE. The same seed gives the same map on the same machine.
        most: see `MOST_FITTED`.

    Returns:
        float32 (images, 2), in [0, 1] and equally scaled in both directions.
    """
    from sklearn.decomposition import PCA

    n = len(vectors)
    if n < 3:
        return np.repeat(np.linspace(0, 1, n, dtype=np.float32)[:, None], 2, axis=1)
    random = np.random.default_rng(seed)
    fitted = np.sort(random.choice(n, min(n, most), replace=False))
    pca = PCA(min(_COMPONENTS, len(fitted) - 1, vectors.shape[1]), svd_solver="randomized", random_state=seed)
    with np.errstate(invalid="ignore"):  # of equal images it divides by a variance of 0; we don't use the result
        pca.fit(_directions(vectors[fitted]))
    among = np.asarray(pca.transform(_directions(vectors[fitted])), np.float32)
    placed = _tsne(among, seed)
    points = np.empty((n, 2), np.float32)
    if len(fitted) < n:
        lengths = (among**2).sum(axis=1)
        for at in range(0, n, _PIECE):  # for the vectors may be larger than memory
            piece = np.asarray(pca.transform(_directions(vectors[at : at + _PIECE])), np.float32)
            points[at : at + _PIECE] = _between(piece, among, lengths, placed)
    points[fitted] = placed
    low, high = points.min(axis=0), points.max(axis=0)
    scaled: npt.NDArray[np.float32] = (points - (low + high) / 2) / max(float((high - low).max()), 1e-9)
    return scaled + np.float32(0.5)


def _directions(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, np.finfo(np.float32).tiny))


def _tsne(components: npt.NDArray[np.float32], seed: int) -> npt.NDArray[np.float32]:
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(components) - 1) / 3)
    start = np.zeros((len(components), 2), np.float32)
    start[:, : components.shape[1]] = components[:, :2]
    start *= 1e-4 / max(float(start[:, 0].std()), 1e-12)
    # Its threads wait for each other at every step: on a machine that does anything else, two take ten times as long
    # as one.
    with threadpool_limits(1):
        model = TSNE(2, init=start, perplexity=perplexity, max_iter=_ITERATIONS, random_state=seed, n_jobs=1)
        placed: npt.NDArray[np.float32] = model.fit_transform(components)
    return placed


def _between(
    of: npt.NDArray[np.float32],
    among: npt.NDArray[np.float32],
    lengths: npt.NDArray[np.float32],
    points: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Where each of `of` lies between the nearest of `among`, of these squared `lengths`, which are at `points`."""
    squared = np.maximum((of**2).sum(axis=1)[:, None] + lengths - 2 * of @ among.T, 0)
    nearest = np.argpartition(squared, min(_NEAREST, len(among)) - 1, axis=1)[:, :_NEAREST]
    weights = 1 / (np.take_along_axis(squared, nearest, axis=1) + 1e-6)
    weights /= weights.sum(axis=1, keepdims=True)
    placed: npt.NDArray[np.float32] = (points[nearest] * weights[:, :, None]).sum(axis=1)
    return placed
