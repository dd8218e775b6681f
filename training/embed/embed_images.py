"""Images → vectors: chooses the embedder, streams the files through it.

An embedder is one of

- ``auto``: the preferred backbone whose weights already lie in Keras's cache, else ``patches``. Never
  downloads.
- ``patches``: the offline embedder, learnt from the images themselves (`training.embed.patch_dictionary`).
- a network of `keras.applications` with ImageNet weights, by name (`training.models.backbones`).
- a ``.keras`` file with one input, images of 1 or 3 channels in [0, 255]. The vector is the output of the layer
  asked for; else what goes into the last layer when that is a dense one (a classifier's), else the model's
  output. Maps are averaged. It is loaded in Keras's safe mode, which runs no code from the file.
- ``module:function``: a function of yours, from float32 RGB images in [0, 255], (n, height, width, 3), to
  vectors (n, d). The images are 224×224, or what its attribute ``image_size`` (height, width) says.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from imageclinic.core.errors import InputError
from imageclinic.training.data import image_pipelines
from imageclinic.training.embed import patch_dictionary, user_embedder
from imageclinic.training.embed.embedder import Embedder, EmbedderInfo, Floats, Halving, Progress, Ready, checked
from imageclinic.training.models import backbones

_BATCH = {"CPU": 32, "GPU": 256}


def choose(model: str = "auto", *, layer: str | None = None) -> Embedder:
    """Find the embedder that `model` names (see this module's text). Downloads nothing: `prepare` may.

    Args:
        model: ``auto``, ``patches``, a backbone's name, a ``.keras`` file, or ``module:function``.
        layer: for a ``.keras`` file, the name of the layer whose output is the vector.

    Raises:
        InputError: for an unknown name (lists the valid ones), a file that can't be loaded or wants to run code,
            a function that isn't there.
    """
    if layer is not None and not model.endswith(".keras"):
        raise InputError(f"--layer {layer} with the model {model}", expected="a .keras file with --layer")
    if model == "auto":
        found = backbones.cached()
        return _patches() if found is None else _backbone(found)
    if model == "patches":
        return _patches()
    if model.endswith(".keras"):
        return user_embedder.from_file(Path(model), layer)
    if ":" in model:
        return user_embedder.from_function(model)
    if model.lower() in backbones.BACKBONES:
        return _backbone(backbones.BACKBONES[model.lower()])
    names = ", ".join(b.name for b in backbones.BACKBONES.values())
    raise InputError(
        f"there is no embedder {model!r}",
        expected=f"auto, patches, {names}, the path of a .keras file, or module:function",
    )


def embed(
    paths: Sequence[Path],
    *,
    model: str = "auto",
    layer: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Floats, EmbedderInfo]:
    """Embed image files: `fit_embed` that learns from the same images.

    Returns:
        float32 (n, d), finite, in the order of `paths`, and what made them. The same for the same seed.

    Raises:
        InputError: see `choose`; when there are no images; when one can't be decoded (names the file).
    """
    return fit_embed(paths, paths, model=model, layer=layer, seed=seed, progress=progress)


def fit_embed(
    fit_paths: Sequence[Path],
    paths: Sequence[Path],
    *,
    model: str = "auto",
    layer: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Floats, EmbedderInfo]:
    """Embed the images at `paths` with an embedder that has seen those at `fit_paths` alone (labels never).

    Only ``patches`` learns from images; the others are what they are. Files are streamed: memory holds the
    vectors and a few batches, and a batch that the device's memory does not bear is halved. On a GPU networks of
    `keras.applications` work in mixed precision (float16).

    Args:
        fit_paths: images to learn from.
        paths: images to embed.
        model: see `choose`.
        layer: see `choose`.
        seed: of whatever is learnt.
        progress: called with (images done, images in all).

    Returns:
        float32 (n, d), finite, in the order of `paths`, and what made them.

    Raises:
        InputError: see `choose`; when there are no images; when one can't be decoded (names the file); when
            the vectors of a user's model have another shape or are not finite.
        Failed: when memory does not bear a single image.
    """
    if not paths or not fit_paths:
        raise InputError("there are no images to embed", expected="at least one")
    embedder = choose(model, layer=layer)
    total = len(paths)

    def report(done: int, _: int = 0) -> None:
        if progress is not None:
            progress(min(done, total), total)

    ready = embedder.prepare(fit_paths, seed, report)
    vectors = np.empty((total, ready.width), np.float32)
    missing = []
    for row, path in enumerate(paths):
        if path in ready.known:
            vectors[row] = ready.known[path]
        else:
            missing.append(row)
    if missing:
        left = [paths[row] for row in missing]
        most = _BATCH["GPU" if backbones.has_gpu() else "CPU"]
        images = image_pipelines.dataset(left, None, size=ready.size, batch_size=most, channels=ready.channels)
        take = Halving(ready.vectors)
        with image_pipelines.decode_errors():
            for number, batch in enumerate(images):
                rows = missing[number * most : (number + 1) * most]
                vectors[rows] = checked(take(batch), len(rows), embedder.name)
                report(total - len(missing) + number * most + len(rows))
    report(total)
    return vectors, embedder.info


def _patches() -> Embedder:
    def prepare(paths: Sequence[Path], seed: int, progress: Progress) -> Ready:
        # Sorted, so that the order of the rows does not matter.
        unique = sorted(set(paths))
        drawn = np.random.default_rng(seed).permutation(len(unique))[: patch_dictionary.SAMPLE]
        sample = [unique[i] for i in np.sort(drawn)]
        images = image_pipelines.load_images(sample, patch_dictionary.SIZE)
        channels = 1 if patch_dictionary.is_grey(images) else 3
        if channels == 1:
            images = image_pipelines.load_images(sample, patch_dictionary.SIZE, channels=1)
        model, vectors = patch_dictionary.fit(images, seed, progress=progress)
        known = dict(zip(sample, vectors, strict=True))
        return Ready(model.predict_on_batch, vectors.shape[1], patch_dictionary.SIZE, channels, known)

    note = (
        "offline embedder (patches, learnt from these images): weak on photographs. Far better flags come from "
        "pretrained weights: --model EfficientNetV2S downloads them once, later audits find them; or bring "
        "your own with --model FILE.keras"
    )
    return Embedder("patches", patch_dictionary.VERSION, note, prepare)


def _backbone(backbone: backbones.Backbone) -> Embedder:
    path = backbones.weights_path(backbone)
    if path.is_file():
        note = f"pretrained network {backbone.name} with the ImageNet weights in {path}"
    else:
        size = backbones.download_megabytes(backbone)
        note = f"pretrained network {backbone.name}: downloads about {size} MB of ImageNet weights to {path}"

    def prepare(*_: Any) -> Ready:
        network = backbones.load(backbone)
        size = (backbone.side, backbone.side)
        return Ready(network.predict_on_batch, network.output_shape[-1], size, 3)

    version = f"keras {keras.__version__}, {backbone.file}, {backbones.precision()}"
    return Embedder(backbone.name, version, note, prepare)
