"""What the run's models say of the labels of new images."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.against import judged_labels
from imageclinic.audit.labels import confident_learning, noise_model
from imageclinic.audit.labels.noise_channel import Channel
from imageclinic.core import tables
from imageclinic.core.errors import CanNotWrite, NotApplicable
from imageclinic.core.reading import caches
from imageclinic.workflows.steps.auditing.embeddings import rows_of
from imageclinic.workflows.steps.auditing.predictions import FOLDS
from imageclinic.workflows.steps.checking.both_sides import RunSide
from imageclinic.workflows.steps.result_keys import key

#: Changes when a model that an older version fitted must not be used.
VERSION = 5
#: Images of the run that the model is fitted to, at most: it is to take seconds.
MOST = 20_000


def predict(side: RunSide, new: pd.DataFrame, embeddings: tables.Embeddings, known: tables.Embeddings) -> pd.DataFrame:
    """Predict the labels of new images.

    Args:
        side: the run.
        new: the new dataset table.
        embeddings: of the readable new images.
        known: of the run's images.

    Returns:
        One row per readable new image: image_id, and what `judged_labels.judge` says of its label.

    Raises:
        NotApplicable: the run's labels were not predicted by linear heads on its embeddings.
    """
    made = tables.metadata(side.run.predictions)
    if not made:
        raise NotApplicable("the run's labels were not predicted: its audit left out the checks that need that")
    if made.get("made") != "heads":
        how = "networks (--train full)" if made.get("made") == "full" else "probabilities that you gave"
        raise NotApplicable(f"the run's labels were predicted by {how}, which say nothing about new images")
    predictions = side.run.read_predictions()
    model, channel, power = _fitted(side, made, predictions, known)
    probs = model.pred_probs(embeddings.vectors)
    label = embeddings.image_id.map(new.set_index("image_id")["label"])
    least = judged_labels.limit(predictions.rows["label_quality"].to_numpy())
    found = judged_labels.judge(label, probs, predictions.classes, channel, power, least)
    return found.assign(image_id=embeddings.image_id.to_numpy())


def _fitted(
    side: RunSide, made: dict[str, str], predictions: tables.Predictions, known: tables.Embeddings
) -> tuple[Any, Channel, float]:
    """The label model, and the noise model's channel and power; kept in the run until its labels change."""
    from imageclinic.training.predict.label_model import LabelModel

    usable = side.labelled
    usable = usable[usable["label"].isin(predictions.classes) & usable["image_id"].isin(known.image_id)]
    current = key(usable[["image_id", "sha256", "label"]], made["key"], VERSION)
    kept = caches.read_arrays(side.run.label_model)
    if kept is None or str(kept.pop("key", "")) != current:
        kept = _fit(usable, made, predictions, known, side.run.seed)
        with contextlib.suppress(CanNotWrite):  # somebody else's run: it is fitted again the next time
            caches.write_arrays(side.run.label_model, {"key": np.array(current), **kept})
    matrix = kept.pop("matrix")
    power, growth, level = (float(kept.pop(name)) for name in ("power", "growth", "level"))
    return LabelModel(**kept), Channel(matrix, growth, level), power


def _fit(
    usable: pd.DataFrame, made: dict[str, str], predictions: tables.Predictions, known: tables.Embeddings, seed: int
) -> dict[str, npt.NDArray[Any]]:
    from imageclinic.cleaning.split import stratified_split
    from imageclinic.training.predict import label_model, witness_weights

    drawn = np.sort(np.random.default_rng(seed).permutation(len(usable))[:MOST])
    some = usable.iloc[drawn].reset_index(drop=True)
    if some["label"].nunique() < 2:
        raise NotApplicable("fewer than two classes of the run are left after its decisions")
    # The noise model is of the labels as they were given: so are the new ones.
    row = pd.Series(np.arange(len(predictions.rows)), index=predictions.rows["image_id"])
    judged = some[some["image_id"].isin(row.index) & some["given"].isin(predictions.classes)]
    given = confident_learning.codes(judged["given"], predictions.classes)
    out_of_fold = predictions.pred_probs[row[judged["image_id"]].to_numpy()]
    confident_learning.check_told_apart(given, out_of_fold)
    noise = noise_model.fit(given, out_of_fold, judged["split"])
    codes = confident_learning.codes(some["label"], predictions.classes)
    fold = stratified_split.allocate(some["label"], some["split_group"], [1.0] * FOLDS, seed=seed)
    model = label_model.fit(
        rows_of(known, some["image_id"]),
        codes,
        fold,
        len(predictions.classes),
        strength=float(made["strength"]),
        temperature=float(made["temperature"]),
        discriminants=float(made.get("discriminants", witness_weights.SHARE)),  # older runs counted them always
        votes=float(made.get("votes", 0)),  # older runs knew none
    )
    numbers = {"power": noise.power, "growth": noise.channel.growth, "level": noise.channel.level}
    return {**model.arrays(), "matrix": noise.matrix, **{name: np.array(number) for name, number in numbers.items()}}
