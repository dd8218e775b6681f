"""Scores the labels again with the decisions so far: seconds, because only the linear heads are fitted again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from imageclinic.audit.labels import confident_learning, noise_model
from imageclinic.cleaning.decisions import label_ranking
from imageclinic.core import tables
from imageclinic.core.engines.local_engine import LOCAL
from imageclinic.core.errors import InputError
from imageclinic.core.naming import label_sets
from imageclinic.core.processes.temporary_folders import temporary_folder
from imageclinic.core.progress import Stage, quiet
from imageclinic.core.rows import lookup, ordering
from imageclinic.workflows.steps.auditing import annotator_consensus, head_predictions
from imageclinic.workflows.steps.auditing.predictions import draw_folds
from imageclinic.workflows.steps.run_state import OF_APPLIED, load


def rerank(run: str | Path, *, stage: Stage = quiet) -> tuple[Path, pd.DataFrame]:
    """Fit the heads again on the labels that are held now, without dropped images, and score every label.

    The folds are those of the audit. The L2 strength is the one that it chose, or chosen now when the audit's
    predictions came from a network or from the user: the scores are those of heads all the same. Earlier scores are
    kept.

    Returns:
        The file that was written, the next ``rerank-NNNN.parquet``, and its content, worst first.

    Raises:
        InputError: the audit made no predictions or no embeddings, or the decisions leave fewer than two classes.
    """
    from imageclinic.cleaning.decisions import apply

    state = load(run, OF_APPLIED, ["image_id"])
    opened = state.run
    label_sets.refuse(opened.info(), "rerank")
    made = tables.metadata(opened.predictions)
    if not made:
        raise InputError(f"{opened.path} has no predictions", fix=f"audit with the check {label_ranking.CHECK}")
    if not opened.embeddings.is_file():
        raise InputError(
            f"{opened.path} has no embeddings, and labels are rescored by heads trained on them",
            fix="audit with the check outlier too, or with --embeddings",
        )
    cleaned, _ = apply.apply(state.dataset, state.current)
    held = cleaned[["image_id", "sha256", "label", "split"]].reset_index(drop=True)
    held["split_group"] = lookup.values(held["image_id"], state.clusters, "split_group").astype("str")
    classes = tuple(sorted(held["label"].unique()))
    if len(classes) < 2:
        raise InputError(f"the decisions leave {len(classes)} class(es)", expected="at least 2")

    given = confident_learning.codes(held["label"], classes)
    folds = draw_folds(held, opened.seed)
    strengths = [float(made["strength"])] if "strength" in made else None
    with (
        stage("Rescoring labels") as progress,
        temporary_folder(".rerank-", parent=opened.path) as scratch,
    ):
        found = head_predictions.predict(
            opened,
            held["image_id"],
            opened.read_embeddings(),
            given,
            folds,
            order=head_predictions.by_content(held),
            folder=scratch,
            engine=LOCAL,
            seed=opened.seed,
            strengths=strengths,
            progress=progress,
        )
    best = found.pred_probs.argmax(axis=1)
    quality = annotator_consensus.label_quality(opened, held, classes, found.pred_probs)
    if quality is None:
        quality = 1 - noise_model.fit(given, found.pred_probs, held["split"]).wrong
    result = tables.frame(
        tables.RERANK,
        image_id=held["image_id"],
        label_quality=quality,
        suggested_label=lookup.taken(pd.Series(classes, dtype="str"), np.where(best == given, -1, best)),
    )
    result = ordering.in_order(result, {"label_quality": "ascending", "image_id": "ascending"}).reset_index(drop=True)
    number = len(list(opened.path.glob("rerank-*.parquet"))) + 1
    path = opened.rerank(number)
    tables.write(path, result, tables.RERANK, {"decisions": str(len(state.log))})
    return path, result
