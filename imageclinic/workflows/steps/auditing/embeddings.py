"""Embeddings of an audit: made here, or brought by the user."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core import pixels, tables
from imageclinic.core.errors import NotApplicable
from imageclinic.core.ids import ImagePaths
from imageclinic.core.progress import Progress, Say
from imageclinic.core.reading import caches
from imageclinic.core.run import Run
from imageclinic.workflows.steps.auditing.prediction_method import Brought, Method
from imageclinic.workflows.steps.result_keys import key


def embed(
    run: Run, dataset: pd.DataFrame, method: Method, brought: Brought, seed: int, say: Say, progress: Progress
) -> tables.Embeddings:
    """Embeddings of all readable images, kept in the run until the images or the embedder change."""
    readable = dataset.loc[dataset["read_error"].isna(), ["image_id", "sha256"]]
    if readable.empty:
        raise NotApplicable("no image can be read")
    if len(readable) == 1 and brought.embeddings is None:
        raise NotApplicable("one image has no others to be compared with")  # and a network takes seconds to load
    if brought.embeddings is not None:
        source = brought.embeddings
        vectors = source.rows(readable["image_id"]).astype(np.float32)
        note = f"your embeddings, {source.where}"
        say(note)
        current = key(readable, source.digest)
        made = {"model": "given", "version": source.digest, "note": note}
        if not tables.is_current(run.embeddings, current):
            _write_embeddings(run, readable, vectors, {"key": current, **made})
        return run.read_embeddings()

    from imageclinic import training

    training.load_tensorflow()
    from imageclinic.training.embed import embed_images as embedding

    chosen = _choice(run, dataset, method, seed, progress)
    embedder = embedding.choose(chosen.model, layer=method.layer)
    say(f"{embedder.note} ({chosen.reason})" if chosen.reason else embedder.note)
    # Only what the rule of `core.pixels` changes is embedded again when that rule changes.
    rule = [pixels.VERSION] if dataset["mode"].fillna("").map(pixels.deep).any() else []
    current = key(readable, embedder.name, embedder.version, embedder.note, seed, *rule)
    if not tables.is_current(run.embeddings, current):
        paths = ImagePaths(run.root, readable["image_id"].array)
        keep = run.embedding_parts / current
        vectors, info = embedding.embed(
            paths, model=chosen.model, layer=method.layer, seed=seed, keep=keep, progress=progress
        )
        made = {"model": info["name"], "version": info["version"], "note": info["note"], "size": info["size"]}
        optional = {"layer": method.layer, "reason": chosen.reason}
        _write_embeddings(run, readable, vectors, {"key": current, **made, **{k: v for k, v in optional.items() if v}})
        shutil.rmtree(run.embedding_parts, ignore_errors=True)
    return run.read_embeddings()


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
    root = run.root
    paths = [root / tables.to_path(i) for i in labelled["image_id"]]
    found = embedder_choice.choose(paths, list(labelled["label"]), seed=seed, progress=progress)
    caches.write_facts(run.embedder_choice, {"key": current, "model": found.model, "reason": found.reason})
    return found


def rows_of(embeddings: tables.Embeddings, wanted: pd.Series) -> npt.NDArray[np.float32]:
    """Embeddings of the `wanted` images, in their order."""
    position = pd.Series(np.arange(len(embeddings.image_id)), index=embeddings.image_id.to_numpy())
    return np.asarray(embeddings.vectors[position[wanted.to_numpy()].to_numpy()])


def _write_embeddings(
    run: Run, readable: pd.DataFrame, vectors: npt.NDArray[np.float32], metadata: dict[str, str]
) -> None:
    tables.write_vectors(run.embeddings, {"image_id": readable["image_id"]}, "embedding", vectors, metadata)
