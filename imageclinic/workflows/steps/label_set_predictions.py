"""Out-of-fold predictions of images that may have several classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from imageclinic.audit.copies.content_groups import by_content
from imageclinic.audit.labels import label_set_model
from imageclinic.core import tables
from imageclinic.core.engines.engine import Engine
from imageclinic.core.errors import InputError, NotApplicable
from imageclinic.core.naming import label_sets
from imageclinic.core.progress import Progress
from imageclinic.core.run import Run
from imageclinic.workflows.steps.auditing import predictions
from imageclinic.workflows.steps.auditing.embeddings import rows_of
from imageclinic.workflows.steps.auditing.prediction_method import Brought, Method

FOLDS, REPEATS = 5, 2


def check_method(method: Method) -> None:
    """Raises InputError where labels would be predicted in a way that only knows one class for each image."""
    if method.train != "heads" or method.pred_probs is not None:
        raise InputError(
            "--train full or --pred-probs with --label-separator",
            expected="the audit's own linear heads: multi-label data are predicted by nothing else yet",
        )


def predict(
    dataset: pd.DataFrame, clusters: pd.DataFrame, embeddings: tables.Embeddings, separator: str, seed: int
) -> label_set_model.SetPredictions:
    """Predictions of the readable, labelled images; copies share a fold, or they would vouch for each other."""
    from imageclinic.cleaning.split import label_set_split

    known = dataset[dataset["read_error"].isna() & dataset["label"].notna()]
    known = known.merge(clusters[["image_id", "split_group"]], on="image_id", how="left")
    known["split_group"] = known["split_group"].fillna(known["image_id"])
    classes = label_sets.every_class(known["label"], separator)
    if len(classes) < 2 or len(known) < 2 * FOLDS:
        raise NotApplicable(f"the dataset has {len(classes)} class(es) and {len(known):,} readable images")
    groups = by_content(known)
    folds = label_set_split.folds_of_sets(known["label"], groups, separator, FOLDS, [seed + r for r in range(REPEATS)])
    given = label_sets.matrix(known["label"], classes, separator)
    probs = label_set_model.out_of_fold(rows_of(embeddings, known["image_id"]), given, folds)
    return label_set_model.SetPredictions(known["image_id"], tuple(classes), given, probs, separator)


def either(
    run: Run,
    inputs: Mapping[str, Any],
    method: Method,
    brought: Brought,
    separator: str | None,
    seed: int,
    engine: Engine,
    progress: Progress,
) -> tables.Predictions | label_set_model.SetPredictions:
    """Predictions of one class an image without a separator, else of label sets.

    Args:
        run: the run folder.
        inputs: clusters and, where there are some, embeddings.
        method, brought: how labels are predicted.
        separator: of label sets.
        seed: of the folds.
        engine: where very many images are predicted.
        progress: of the cross-validation.
    """
    clusters, vectors = inputs["clusters"], inputs.get("embeddings")
    if separator is None:
        return predictions.predict(run, clusters, method, brought, vectors, seed, engine, progress)
    run.predictions.unlink(missing_ok=True)  # of an earlier audit without separator
    if vectors is None:
        raise ValueError("heads need embeddings")
    return predict(run.read(tables.DATASET), clusters, vectors, separator, seed)
