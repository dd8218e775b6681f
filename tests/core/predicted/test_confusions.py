"""Confused images and pairs: joined by name, worst first, also without any."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imageclinic.core.predicted.confusions import confused, pairs
from imageclinic.core.tables import Predictions
from imageclinic.report.predicted import confusion_section
from imageclinic.report.thumbnails import Picture

CLASSES = ("cat", "dog", "owl")
#: image_id → given label, the probabilities of cat, dog and owl, label quality.
IMAGES = {
    "a": ("dog", (0.7, 0.2, 0.1), 0.3),
    "b": ("dog", (0.9, 0.05, 0.05), 0.1),
    "c": ("dog", (0.1, 0.8, 0.1), 0.9),
    "d": ("cat", (0.1, 0.1, 0.8), 0.2),
    "e": (None, (0.1, 0.1, 0.8), 0.2),
    "f": ("bat", (0.1, 0.1, 0.8), 0.2),
}
LABELS = pd.Series({name: label for name, (label, _, _) in reversed(IMAGES.items())})
PREDICTIONS = Predictions(
    pd.DataFrame(
        {"image_id": list(IMAGES), "fold": 0, "label_quality": [quality for _, _, quality in IMAGES.values()]}
    ),
    np.array([shares for _, shares, _ in IMAGES.values()], np.float32),
    CLASSES,
)


def test_the_least_likely_label_comes_first() -> None:
    wrong = confused(PREDICTIONS, LABELS)
    assert wrong["image_id"].tolist() == ["b", "d", "a"]
    assert wrong["given"].tolist() == ["dog", "cat", "dog"] and wrong["predicted"].tolist() == ["cat", "owl", "cat"]
    assert np.allclose(wrong[["given_share", "predicted_share"]], [[0.05, 0.9], [0.1, 0.8], [0.2, 0.7]])
    assert pairs(wrong).to_numpy().tolist() == [["dog", "cat", 2], ["cat", "owl", 1]]
    none = Predictions(PREDICTIONS.rows.iloc[:0], PREDICTIONS.pred_probs[:0], CLASSES)
    assert confused(none, LABELS).empty and pairs(confused(none, LABELS)).empty


def test_each_number_of_the_report_leads_to_as_many_images() -> None:
    table = confusion_section.table(PREDICTIONS, LABELS, lambda image_id: Picture(uri=image_id))
    assert table is not None and table.classes == list(CLASSES) and not table.listed and not table.left_out
    assert [[cell.n for cell in row] for row in table.rows] == [[0, 0, 1], [2, 1, 0], [0, 0, 0]]
    sheets = {sheet.anchor: sheet for sheet in table.sheets}
    linked = [cell for row in table.rows for cell in row if cell.anchor]
    assert [(sheets[cell.anchor].n, len(sheets[cell.anchor].tiles)) for cell in linked] == [(1, 1), (2, 2)]
    assert [tile.image_id for tile in sheets[table.rows[1][0].anchor].tiles] == ["b", "a"]
    right = Predictions(PREDICTIONS.rows.iloc[2:3], PREDICTIONS.pred_probs[2:3], CLASSES)
    assert confusion_section.table(right, LABELS, lambda image_id: Picture()) is None
