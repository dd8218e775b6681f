"""Out-of-fold predictions by heads on embeddings. The heads are fitted to all images, or to a sample of very many, and
then predict all of them on an engine's workers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core import tables
from imageclinic.core.engines.engine import Engine
from imageclinic.core.engines.piece_map import piece_map_on
from imageclinic.core.large.large_arrays import rows_at_once
from imageclinic.core.progress import Progress
from imageclinic.core.reading import caches
from imageclinic.core.rows import lookup, ordering
from imageclinic.core.run import Run
from imageclinic.training.predict.by_sample import fitting_sample

if TYPE_CHECKING:
    from imageclinic.training.predict.out_of_fold import OutOfFold

#: Changes when predictions by a sample must not be reused from an older version.
SAMPLE_VERSION = "3"


def sample_key(images: int) -> list[Any]:
    """What else than images, embeddings and seed the predictions of so many images depend on."""
    return ["sample", fitting_sample.MOST, fitting_sample.LEAST, SAMPLE_VERSION] if images > fitting_sample.MOST else []


def by_content(images: pd.DataFrame) -> npt.NDArray[np.intp] | None:
    """Positions of images, with image_id and sha256, in the order of their contents, by which a sample of them is
    drawn; None where heads are fitted to all."""
    if len(images) <= fitting_sample.MOST:
        return None
    return ordering.places_in_order(images, {"sha256": "ascending", "image_id": "ascending"})


def predict(
    run: Run,
    image_id: pd.Series,
    embeddings: tables.Embeddings,
    labels: npt.NDArray[np.integer],
    folds: npt.NDArray[np.integer],
    *,
    order: npt.NDArray[np.intp] | None,
    folder: Path,
    engine: Engine,
    seed: int,
    strengths: Sequence[float] | None = None,
    progress: Progress,
) -> OutOfFold:
    """Predict every image's label by heads that were fitted without its fold.

    Args:
        run: whose embeddings these are.
        image_id: of the images to predict, in the order of the embeddings.
        embeddings: of these images and maybe of others.
        labels: (images,) class numbers.
        folds: (repeats, images), copies in one fold.
        order: see `by_content`.
        folder: for finished parts, from which a killed audit goes on; of these arguments and no others.
        engine: where heads are fitted to a sample, and where the images are predicted, that are too many to fit to.
        seed: of the sample.
        strengths: L2 strengths to choose from; default: all that are tried.
        progress: of heads, then of parts.

    Raises:
        InputError, Failed: see `training.predict.out_of_fold`, `training.predict.by_sample.predicted_parts`.
    """
    from imageclinic.training.predict import out_of_fold

    tried = out_of_fold.STRENGTHS if strengths is None else strengths
    rows = lookup.places(image_id, embeddings.image_id)
    if (rows < 0).any():
        raise KeyError(f"no embedding of {image_id.iloc[int(rows.argmin())]}")
    if order is None:
        vectors = np.asarray(embeddings.vectors[rows])
        return out_of_fold.out_of_fold(vectors, labels, folds, strengths=tried, progress=progress)
    from imageclinic.training.predict.by_sample import fold_model, predicted_parts, sampled_heads

    if (np.diff(rows) <= 0).any():
        raise ValueError("images are in another order than their embeddings")
    # Repeats average what the draw of folds changes, which is next to nothing of so many rows.
    folds = folds[:1]
    drawn = fitting_sample.draw(labels, order, fitting_sample.MOST, seed)
    model, facts = folder / "model.npz", folder / "model.json"
    made = caches.read_facts(facts)
    if made is None or fold_model.read(model) is None:
        where = piece_map_on(engine, folder)
        found = sampled_heads.fit(
            embeddings.vectors, rows, labels, folds, drawn, strengths=tried, piece_map=where, progress=progress
        )
        folder.mkdir(parents=True, exist_ok=True)
        fold_model.write(model, found.model)
        made = {"strength": found.strength, "repeats": found.repeats, "note": found.note}
        made["temperature"] = float(found.model.temperatures[0])
        made["discriminants"] = float(found.model.shares[1])
        caches.write_facts(facts, made)
    probs = predicted_parts.predict(engine, model, run.embeddings, rows, folds, folder, progress=progress)
    loss, accuracy = _scores(probs, labels)
    sampled = f"heads were fitted to {int(drawn.sum()):,} of {len(rows):,} images, and predict all of them"
    return out_of_fold.OutOfFold(
        pred_probs=probs,
        fold=np.asarray(folds[0], np.int32),
        strength=made["strength"],
        discriminants=made["discriminants"],
        votes=0.0,  # neighbours of very many images are not looked for
        temperature=made["temperature"],
        log_loss=loss,
        accuracy=accuracy,
        repeats=made["repeats"],
        note="; ".join(each for each in (sampled, made["note"]) if each),
    )


def _scores(probs: npt.NDArray[np.float32], labels: npt.NDArray[np.integer]) -> tuple[float, float]:
    """Mean log loss, in nats, and accuracy of probabilities (n, classes) that need not fit in memory."""
    loss, right, size = 0.0, 0, rows_at_once(probs.shape[1], probs.dtype)
    for at in range(0, len(labels), size):
        piece, given = probs[at : at + size], labels[at : at + size]
        own = np.maximum(piece[np.arange(len(given)), given], np.finfo(np.float32).tiny)
        loss -= float(np.log(own).sum(dtype=np.float64))
        right += int((piece.argmax(1) == given).sum())
    return loss / len(labels), right / len(labels)
