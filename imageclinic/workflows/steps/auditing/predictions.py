"""Embeddings and out-of-fold predictions of an audit: made here, or brought by the user."""

from __future__ import annotations

import contextlib
import json
import shutil
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit import split_groups
from imageclinic.audit.copies.content_groups import by_content
from imageclinic.audit.labels import confident_learning, noise_model, user_arrays
from imageclinic.core import tables
from imageclinic.core.engines.engine import Engine
from imageclinic.core.errors import NotApplicable
from imageclinic.core.progress import Progress
from imageclinic.core.rows import lookup
from imageclinic.core.run import Run
from imageclinic.workflows.steps.auditing import annotator_consensus, head_predictions
from imageclinic.workflows.steps.auditing.embeddings import rows_of
from imageclinic.workflows.steps.auditing.prediction_method import Brought, Method
from imageclinic.workflows.steps.result_keys import key

#: Folds of the cross-validation, and how often it is repeated with other folds; the repeats are averaged.
FOLDS, REPEATS = 5, 3
#: Changes when predictions, or what the noise model made of them, must not be reused from an older version.
VERSION = "7"


def predict(
    run: Run,
    clusters: pd.DataFrame,
    method: Method,
    brought: Brought,
    embeddings: tables.Embeddings | None,
    seed: int,
    engine: Engine,
    progress: Progress,
) -> tables.Predictions:
    """Out-of-fold predictions of the run's readable, labelled images; copies share a fold, or they would vouch for each
    other.

    How they were made is in the table's metadata (`describe`), with the notes that users should read.
    """
    # What they are made from is read where it is needed, and let go of before they are read: of millions it is much.
    if brought.pred_probs is not None:
        _take(run, _labelled(run, clusters), brought.pred_probs)
    elif method.train == "full":
        _train_networks(run, _labelled(run, clusters), seed, progress)
    elif embeddings is not None:
        _train_heads(run, _labelled(run, clusters), embeddings, method.model, seed, engine, progress)
    else:
        raise ValueError("heads need embeddings")
    return run.read_predictions()


def _labelled(run: Run, clusters: pd.DataFrame) -> pd.DataFrame:
    """image_id, sha256, label, split and split_group (null: a group of its own) of the images to predict."""
    dataset = run.read(tables.DATASET, ("image_id", "sha256", "label", "split", "read_error"))
    wanted = dataset["read_error"].isna() & dataset["label"].notna()
    labelled = dataset.loc[wanted, ["image_id", "sha256", "label", "split"]].reset_index(drop=True)
    labelled["split_group"] = lookup.values(labelled["image_id"], clusters, "split_group").astype("str")
    classes = labelled["label"].nunique()
    if classes < 2:
        raise NotApplicable(f"the dataset has {classes} class(es) with readable images")
    return labelled


def describe(run: Run) -> dict[str, Any]:
    """How the run's predictions were made, for run.json: ``made`` (heads, full or given) and what belongs to that."""
    metadata = tables.metadata(run.predictions)
    numbers = ("strength", "discriminants", "votes", "temperature", "accuracy", "log_loss", "folds", "repeats", "size")
    return {
        "made": metadata["made"],
        **({"source": metadata["source"]} if "source" in metadata else {}),
        **{name: float(metadata[name]) for name in numbers if name in metadata},
        "notes": json.loads(metadata["notes"]),
    }


def draw_folds(images: pd.DataFrame, seed: int) -> npt.NDArray[np.int64]:
    """Fold numbers, (repeats, images): stratified by label, copies in one fold, whatever files are called.

    Args:
        images: with image_id, label, sha256, and split_group, null where an image is a group of its own. Equal files
            are in one group.
        seed: of the draw.
    """
    from imageclinic.cleaning.split import group_codes, stratified_split

    shares = [1.0] * FOLDS
    content, label = images["sha256"], images["label"]
    named = split_groups.together(content, images["split_group"]).reindex(images.index).astype("str")
    own = content.fillna(images["image_id"]) if content.isna().any() else content
    groups = group_codes.of(own, named)
    return np.stack([stratified_split.allocate(label, groups, shares, seed=seed + r) for r in range(REPEATS)])


def _train_heads(
    run: Run,
    labelled: pd.DataFrame,
    embeddings: tables.Embeddings,
    model: str,
    seed: int,
    engine: Engine,
    progress: Progress,
) -> None:
    """Of very many images finished parts are kept in the run until all are: a killed audit goes on with the others."""
    named = ["class names"] if model.startswith("hub:") else []  # its network may have a text tower
    parts = [*named, *head_predictions.sample_key(len(labelled))]
    current = _key(run, labelled, tables.metadata(run.embeddings)["key"], seed, FOLDS, REPEATS, VERSION, *parts)
    if tables.is_current(run.predictions, current):
        return
    folds, folder = draw_folds(labelled, seed), run.folds / current
    classes = tuple(sorted(labelled["label"].unique()))
    codes = confident_learning.codes(labelled["label"], classes)
    order = head_predictions.by_content(labelled)
    labelled = labelled[["image_id", "label", "split"]]
    found = head_predictions.predict(
        run,
        labelled["image_id"],
        embeddings,
        codes,
        folds,
        order=order,
        folder=folder,
        engine=engine,
        seed=seed,
        progress=progress,
    )
    probs, note = found.pred_probs, ""
    if named:
        probs, note = _with_names(probs, rows_of(embeddings, labelled["image_id"]), model, classes, codes)
    made = {
        "made": "heads",
        "strength": str(found.strength),
        "discriminants": str(found.discriminants),
        "votes": str(found.votes),
        "repeats": str(found.repeats),
        **_scores(found, [each for each in (found.note, note) if each], labelled["label"]),
    }
    _write_predictions(run, labelled, found.fold, probs, classes, {"key": current, **made})
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # finished folds of networks are there, too
        run.folds.rmdir()


def _with_names(
    probs: npt.NDArray[np.floating],
    vectors: npt.NDArray[np.float32],
    model: str,
    classes: tuple[str, ...],
    codes: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.floating], str]:
    """The heads' probabilities joined with what the network makes of the class names, and a note; as they are where the
    network can't read or the names don't help."""
    _tensorflow()
    from imageclinic.training.embed import text_tower
    from imageclinic.training.predict import class_names

    tower = text_tower.load(model)
    if tower is None:
        return probs, ""
    joined = class_names.join(probs, vectors, tower.read(class_names.prompts(classes)), codes)
    if joined.before == joined.after:
        return probs, "the class names, as the network's text tower reads them, do not help to predict the labels"
    return joined.probs, (
        "the class names, as the network's text tower reads them, are one more witness: log loss of held-out labels "
        f"{joined.before:.3f} without, {joined.after:.3f} with them"
    )


def _train_networks(run: Run, labelled: pd.DataFrame, seed: int, progress: Progress) -> None:
    """Finished folds are kept in the run until all are: a killed audit goes on with the next one."""
    from imageclinic.cleaning.split import stratified_split

    current = _key(run, labelled, "full", seed, FOLDS, VERSION)
    if tables.is_current(run.predictions, current):
        return
    _tensorflow()
    from imageclinic.training.predict import network_folds

    groups = by_content(labelled.assign(split_group=labelled["split_group"].fillna(labelled["image_id"])))
    parts = stratified_split.allocate(labelled["label"], groups, [1.0] * (2 * FOLDS), seed=seed)
    classes = tuple(sorted(labelled["label"].unique()))
    codes = confident_learning.codes(labelled["label"], classes)
    files = run.files
    paths = [files(i) for i in labelled["image_id"]]
    found = network_folds.out_of_fold(paths, codes, parts, run.folds / current, seed=seed, progress=progress)
    made = {"made": "full", "size": str(found.size), **_scores(found, [], labelled["label"])}
    _write_predictions(run, labelled, found.fold, found.pred_probs, classes, {"key": current, **made})
    shutil.rmtree(run.folds)


def _tensorflow() -> None:
    from imageclinic import training

    training.load_tensorflow()


def _scores(found: Any, notes: list[str], label: pd.Series) -> dict[str, str]:
    """Metadata that all trained predictions have."""
    sizes = label.value_counts()
    small = sizes[sizes < 2 * FOLDS]
    if len(small):
        named = ", ".join(f"{c} ({n})" for c, n in small.items())
        notes = [*notes, f"classes too small for reliable cross-validation in {FOLDS} folds: {named}"]
    return {
        "temperature": f"{found.temperature:.4g}",
        "accuracy": f"{found.accuracy:.4f}",
        "log_loss": f"{found.log_loss:.4f}",
        "folds": str(FOLDS),
        "notes": json.dumps(notes),
    }


def _take(run: Run, labelled: pd.DataFrame, source: user_arrays.Given) -> None:
    """The probabilities that the user brought. Of their folds nothing is known: -1."""
    probs = source.rows(labelled["image_id"])
    current = _key(run, labelled, source.digest, VERSION)
    if not tables.is_current(run.predictions, current):
        made = {"made": "given", "source": source.where, "version": source.digest, "notes": "[]"}
        fold = np.full(len(labelled), -1, np.int32)
        _write_predictions(run, labelled, fold, probs, source.classes, {"key": current, **made})


def _key(run: Run, labelled: pd.DataFrame, *parts: Any) -> str:
    labelled = labelled.assign(split_group=labelled["split_group"].fillna(labelled["image_id"]))
    said = annotator_consensus.current_key(run)
    return key(labelled, *parts) if said is None else key(labelled, *parts, said)


def _write_predictions(
    run: Run,
    labelled: pd.DataFrame,
    fold: npt.NDArray[np.integer],
    probs: npt.NDArray[np.floating],
    classes: tuple[str, ...],
    metadata: dict[str, str],
) -> None:
    probs = probs.astype(np.float32, copy=False)  # as they are read again: the noise model is then fitted once
    quality = annotator_consensus.label_quality(run, labelled, classes, probs)
    if quality is None:
        codes = confident_learning.codes(labelled["label"], classes)
        quality = 1 - noise_model.fit(codes, probs, labelled["split"]).wrong
    tables.write_vectors(
        run.predictions,
        {"image_id": labelled["image_id"], "fold": fold, "label_quality": quality},
        "pred_probs",
        probs,
        {"classes": json.dumps(classes), **metadata},
    )
