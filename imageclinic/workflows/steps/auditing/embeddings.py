"""Embeddings of an audit: made here, or brought by the user."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.labels import user_arrays
from imageclinic.core import pixels, tables
from imageclinic.core.engines.engine import Engine
from imageclinic.core.errors import NotApplicable
from imageclinic.core.progress import Progress, Say
from imageclinic.core.reading import caches
from imageclinic.core.rows import lookup
from imageclinic.core.run import Run
from imageclinic.workflows.steps.auditing.prediction_method import Brought, Method
from imageclinic.workflows.steps.result_keys import key


def embed(
    run: Run,
    dataset: pd.DataFrame,
    method: Method,
    brought: Brought,
    seed: int,
    engine: Engine,
    say: Say,
    progress: Progress,
) -> tables.Embeddings:
    """Embeddings of all readable images, kept in the run until the images or the embedder change. Those that the user
    `brought` are let go of."""
    readable = dataset.loc[dataset["read_error"].isna(), ["image_id", "sha256"]]
    if readable.empty:
        raise NotApplicable("no image can be read")
    if len(readable) == 1 and brought.embeddings is None:
        raise NotApplicable("one image has no others to be compared with")  # and a network takes seconds to load
    if brought.embeddings is not None:
        _take(run, readable, brought.embeddings, say)
        brought.embeddings = None  # they are in the run now
        return run.read_embeddings()

    from imageclinic.training.embed import embed_images as embedding
    from imageclinic.training.embed.embedder_choice import announcement

    chosen = _choice(run, dataset, method, seed, progress)
    embedder = embedding.choose(chosen.model, layer=method.layer)
    say(announcement(embedder, chosen))
    deep = dataset["mode"].fillna("").map(pixels.deep).set_axis(dataset["image_id"])

    def key_of(images: pd.DataFrame) -> str:
        # Only what the rule of `core.pixels` changes is embedded again when that rule changes.
        rule = [pixels.VERSION] if deep[images["image_id"]].any() else []
        return key(images, embedder.name, embedder.version, embedder.note, seed, *rule)

    current = key_of(readable)
    if not tables.is_current(run.embeddings, current):
        files = run.files
        paths = [files(i) for i in readable["image_id"]]
        learns = "patches" in embedder.name or embedder.name.endswith(".keras") or ":" in embedder.name
        known = None if learns else _unchanged(run, readable, key_of)
        new = ~readable["image_id"].isin(() if known is None else known.image_id).to_numpy()
        fit_embed = functools.partial(
            embedding.fit_embed,
            paths,
            model=chosen.model,
            layer=method.layer,
            seed=seed,
            engine=engine,
            progress=progress,
        )
        keep = run.embedding_parts / current
        vectors, info = fit_embed([path for path, is_new in zip(paths, new, strict=True) if is_new], keep=keep)
        if known is not None and info["size"] == tables.metadata(run.embeddings).get("size"):
            vectors = _joined(known, vectors, new)
        elif known is not None:  # the images are looked at in another size now
            vectors, info = fit_embed(paths, keep=keep)
        made = {"model": info["name"], "version": info["version"], "note": info["note"], "size": info["size"]}
        optional = {"layer": method.layer, "reason": chosen.reason}
        optional |= {"shallow": info["shallow"], "weights": info["weights"]}
        _write_embeddings(run, readable, vectors, {"key": current, **made, **{k: v for k, v in optional.items() if v}})
        shutil.rmtree(run.embedding_parts, ignore_errors=True)
    return run.read_embeddings()


def _take(run: Run, readable: pd.DataFrame, source: user_arrays.Given, say: Say) -> None:
    """Write the embeddings that the user brought into the run."""
    vectors = source.rows(readable["image_id"]).astype(np.float32, copy=False)
    note = f"your embeddings, {source.where}"
    say(note)
    current = key(readable, source.digest)
    if not tables.is_current(run.embeddings, current):
        made = {"model": "given", "version": source.digest, "note": note}
        _write_embeddings(run, readable, vectors, {"key": current, **made})


def _unchanged(run: Run, readable: pd.DataFrame, key_of: Callable[[pd.DataFrame], str]) -> tables.Embeddings | None:
    """The embeddings of the last audit, if all that has happened since is that images were added; else None."""
    made = tables.metadata(run.embeddings)
    if not made:
        return None
    known = run.read_embeddings()
    old = readable[readable["image_id"].isin(known.image_id)].reset_index(drop=True)
    same = len(old) == len(known.image_id) < len(readable) and key_of(old) == made.get("key")
    return known if same else None


def _joined(
    known: tables.Embeddings, fresh: npt.NDArray[np.float32], new: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Vectors of all images, in order, from those that were known and those of the images that are `new`."""
    vectors = np.empty((len(new), fresh.shape[1]), np.float32)
    vectors[new], vectors[~new] = fresh, known.vectors
    return vectors


def _choice(run: Run, dataset: pd.DataFrame, method: Method, seed: int, progress: Progress) -> Any:
    """The embedder that ``auto`` means for these images and labels, kept in the run; else what the user named."""
    from imageclinic.training.embed import embedder_choice
    from imageclinic.training.models import backbones

    if method.model != "auto":
        return embedder_choice.Choice(method.model)
    labelled = dataset.loc[dataset["read_error"].isna() & dataset["label"].notna(), ["image_id", "sha256", "label"]]
    network = backbones.cached()
    current = key(labelled, seed, "" if network is None else network.name, embedder_choice.VERSION)
    kept = caches.read_facts(run.embedder_choice) or {}
    # Only what could have been chosen: another name may be a function to call, and the run somebody else's.
    if kept.get("key") == current and kept.get("model") in embedder_choice.candidates(network):
        return embedder_choice.Choice(kept["model"], str(kept.get("reason", "")))
    files = run.files
    paths = [files(i) for i in labelled["image_id"]]
    found = embedder_choice.choose(paths, list(labelled["label"]), seed=seed, progress=progress)
    caches.write_facts(run.embedder_choice, {"key": current, "model": found.model, "reason": found.reason})
    return found


def rows_of(embeddings: tables.Embeddings, wanted: pd.Series) -> npt.NDArray[np.float32]:
    """Embeddings of the `wanted` images, in their order."""
    at = lookup.places(wanted, embeddings.image_id)
    if (at < 0).any():
        raise KeyError(f"no embedding of {wanted.iloc[int(at.argmin())]}")
    return np.asarray(embeddings.vectors[at])


def _write_embeddings(
    run: Run, readable: pd.DataFrame, vectors: npt.NDArray[np.float32], metadata: dict[str, str]
) -> None:
    tables.write_vectors(run.embeddings, {"image_id": readable["image_id"]}, "embedding", vectors, metadata)
