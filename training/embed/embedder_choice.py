"""Which embedder suits these images: a network that learnt from photographs, its middle stages by place, patches learnt
from the images, or patches beside one of these.

Digits, line drawings, X-rays, spectrograms or micrographs are not what ImageNet's networks have seen. Where the images
are grey or small (for the middle stages: grey and not small), a sample of them is embedded by each, and linear
discriminants predict the given labels out of fold: the network stays unless another one's log loss is lower beyond
chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imageclinic import training
from imageclinic.training.data import grey_images, image_pipelines
from imageclinic.training.embed import embed_images, small_images
from imageclinic.training.embed.embedder import Embedder, Floats, Progress
from imageclinic.training.models import backbones
from imageclinic.training.predict import discriminant
from imageclinic.training.predict.calibration import calibrate
from imageclinic.training.predict.linear_heads import principal

#: Images that are tried, at most, and folds; classes of which there are fewer are left out. Patches beside the network
#: were surely better in 2 of 6 draws of 500 digits, and in 6 of 6 of 1,000.
SAMPLE, FOLDS = 1000, 5
#: Changes when a kept choice must be made again.
VERSION = 7
_SHRINKAGES = (0.1, 1.0, 10.0)
#: By how many standard errors of the difference another embedder must be better than the network.
_BEYOND_CHANCE = 2.0
#: As if one label in ten were wrong, whatever the image shows: else the few that are wrong decide, by how surely each
#: embedder contradicts them. With 5 % planted among X-rays a better embedder's lead grew from a median of 2.7 standard
#: errors on 500 images to 3.3, in ten draws.
_WRONG = 0.1


@dataclass(frozen=True)
class Choice:
    """The embedder's name for `embed_images.choose`, and why in words; empty where there was nothing to choose."""

    model: str
    reason: str = ""


def candidates(network: backbones.Backbone | None) -> tuple[str, ...]:
    """What `choose` may choose where `network` is the preferred one whose weights are there."""
    if network is None:
        return ("patches",)
    found = [b.name.lower() for b in (network, backbones.with_grid(network)) if b is not None]
    return (*found, "patches", *(f"{name}+patches" for name in found))


def choose(paths: Sequence[Path], labels: Sequence[str], *, seed: int = 0, progress: Progress | None = None) -> Choice:
    """The embedder for ``auto``.

    Args:
        paths: readable images.
        labels: their classes.
        seed: of the sample, the folds and the patches.
        progress: called with (images done, images in all).

    Returns:
        One of `candidates`: the preferred network, ``NETWORK_grid``, ``patches``, or patches beside either.

    Raises:
        InputError: when an image can't be decoded; names the file.
    """
    network = backbones.cached()
    name = candidates(network)[0]
    if network is None:
        return Choice(name)
    sample, codes = _sample(labels, seed)
    if len(sample) < 10 * FOLDS or len(np.unique(codes)) < 2:
        return Choice(name)
    tried = [paths[i] for i in sample]
    grey = grey_images.are_grey(tried)
    small = small_images.are_small(tried)
    if not grey and not small:
        return Choice(name)
    grid = backbones.with_grid(network)
    # Of small images a cell holds a few pixels, and patches say as much (digits: as many wrong labels are found).
    networks = (network,) if small or grid is None else (network, grid)
    names = [n.name.lower() for n in networks]
    seen = {n: embed_images.embed(tried, model=n, seed=seed, progress=progress)[0] for n in names}
    images = image_pipelines.load_images(tried, grey_images.SIZE, channels=1 if grey else 3)
    training.load_tensorflow()
    from imageclinic.training.embed import patch_dictionary

    _, patches = patch_dictionary.fit(images, seed)
    folds = np.random.default_rng(seed).permutation(len(sample)) % FOLDS
    joined = {f"{m}+patches": embed_images.side_by_side([v, patches]) for m, v in seen.items()}
    losses = {m: _losses(v, codes, folds) for m, v in (seen | {"patches": patches} | joined).items()}
    return by_loss(losses, name)


def by_loss(losses: Mapping[str, npt.NDArray[np.float64]], name: str) -> Choice:
    """The embedder `name` unless another one's mean loss is lower beyond chance; and patches beside a network's grid
    only where they lower it beyond chance, too, for else rounding would decide. `losses`: of each embedder, in nats,
    (n,) for the same images."""

    def surely_better(one: str, other: str) -> bool:
        gain = losses[other] - losses[one]
        return bool(gain.mean() > _BEYOND_CHANCE * gain.std() / np.sqrt(len(gain)))

    best = min((m for m in losses if m != name), key=lambda m: losses[m].mean())
    alone = best.removesuffix("+patches")
    if alone in losses and alone not in (best, name) and not surely_better(best, alone):
        best = alone
    gain = losses[name] - losses[best]
    model = best if surely_better(best, name) else name
    measured = ", ".join(f"{m} {v.mean():.2f}" for m, v in losses.items())
    close = f"; {best} is not surely better" if model == name and gain.mean() > 0 else ""
    return Choice(
        model, f"chosen on {len(gain):,} of these images by the log loss of held-out labels, in nats: {measured}{close}"
    )


def announcement(embedder: Embedder, chosen: Choice) -> str:
    """What users read about `embedder`: why it was chosen, or else how to get a better one."""
    if chosen.reason:
        return f"{embedder.note} ({chosen.reason})"
    return f"{embedder.note}: {embedder.advice}" if embedder.advice else embedder.note


def _sample(labels: Sequence[str], seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions of a random sample, without classes of which it holds fewer images than folds; class numbers."""
    drawn = np.sort(np.random.default_rng(seed).permutation(len(labels))[:SAMPLE])
    names = np.asarray(labels, dtype=object)[drawn].astype(str)
    _, codes, counts = np.unique(names, return_inverse=True, return_counts=True)
    kept = counts[codes] >= FOLDS
    return drawn[kept], np.unique(codes[kept], return_inverse=True)[1]


def _losses(vectors: Floats, labels: npt.NDArray[np.int64], folds: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(n,) −log probability of each label, out of fold, in nats, with the best shrinkage and temperature;
    labels are taken to be wrong as often as `_WRONG` says."""
    x = principal(vectors, 256).x
    classes = int(labels.max()) + 1
    tried = discriminant.held_out_logits(x, labels, folds, classes, _SHRINKAGES)
    own = np.arange(len(labels)), labels
    right = [calibrate(z[None], labels)[0][own].astype(np.float64) for z in tried.values()]
    found = [-np.log((1 - _WRONG) * p + _WRONG / classes) for p in right]
    return min(found, key=lambda losses: losses.mean())
