"""Test images one by one: majorities, what a reviewer dropped, and a single training."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imageclinic.core import tables
from imageclinic.core.predicted import tested_images
from imageclinic.core.predicted.confusions import confused
from imageclinic.core.predicted.tested_images import BROKEN, FIXED, TEST_PREDICTIONS
from imageclinic.report.predicted import tested_images_section
from imageclinic.report.thumbnails import Picture

#: image_id → label, label as reviewed, what three trainings name before and after cleaning (first letters).
IMAGES = {
    "a": ("cat", "cat", "dcd", "ccc"),
    "b": ("cat", "cat", "ddd", "ccd"),
    "c": ("dog", "dog", "ddc", "ccd"),
    "d": ("dog", "cat", "ccc", "ddo"),
    "e": ("dog", None, "ccc", "ddd"),
    "f": ("owl", "owl", "ooo", "ooo"),
}
NAMES = {"c": "cat", "d": "dog", "o": "owl"}
ROWS = tables.validate(
    pd.DataFrame(
        [
            (name, side, seed, label, reviewed, NAMES[letter], None)
            for name, (label, reviewed, before, after) in IMAGES.items()
            for side, letters in (("before", before), ("after", after))
            for seed, letter in enumerate(letters)
        ],
        columns=TEST_PREDICTIONS.names,
    ),
    TEST_PREDICTIONS,
)


def test_what_cleaning_fixed_and_broke_by_the_label_as_reviewed_and_the_majority() -> None:
    images = tested_images.per_image(ROWS)
    assert images["image_id"].tolist() == list("abcdf"), "nobody judges what was dropped"
    fixed, broken = (tested_images.changed(images, effect) for effect in (FIXED, BROKEN))
    assert fixed["image_id"].tolist() == ["a", "b"]
    assert broken["image_id"].tolist() == ["d", "c"], "the surest first"
    assert tested_images.wrong(images)["image_id"].tolist() == ["d", "c"]
    row = images.set_index("image_id").loc["d"]
    assert (row["label"], row["before"], row["after"]) == ("cat", "cat", "dog")
    assert (row["right_before"], row["right_after"]) == (1, 0)


def test_trainings_vote_in_the_table_of_classes() -> None:
    votes = tested_images.votes(ROWS)
    assert votes.classes == ("cat", "dog", "owl") and np.allclose(votes.pred_probs.sum(axis=1), 1)
    wrong = confused(votes, tested_images.per_image(ROWS).set_index("image_id")["label"])
    assert wrong[["image_id", "given", "predicted"]].to_numpy().tolist() == [["d", "cat", "dog"], ["c", "dog", "cat"]]
    assert np.allclose(wrong["given_share"], [0, 1 / 3])


def test_the_report_shows_a_comparison_and_a_single_training() -> None:
    shown = tested_images_section.results(ROWS, lambda name: Picture(uri=name))
    assert shown is not None and shown.compared and shown.total == 5
    assert [(sheet.n, [tile.image_id for tile in sheet.tiles]) for sheet in shown.sheets] == [
        (2, ["a", "b"]),
        (2, ["d", "c"]),
        (2, ["d", "c"]),
    ]
    assert (shown.sheets[0].tiles[0].right_before, shown.sheets[0].tiles[0].right_after) == ("1/3", "3/3")
    one = ROWS[ROWS["side"].eq("after") & ROWS["seed"].eq(0)]
    alone = tested_images_section.results(one, lambda name: Picture(uri=name))
    assert alone is not None and not alone.compared and [sheet.n for sheet in alone.sheets] == [2]
    assert tested_images_section.results(ROWS[ROWS["side"] == "before"], lambda name: Picture()) is None


def test_a_single_training_shows_its_surest_mistakes_first() -> None:
    one = ROWS[ROWS["side"].eq("after") & ROWS["seed"].eq(0)]
    sure = one.assign(
        probability=one["image_id"].map(dict(zip("abcdef", (0.9, 0.8, 0.95, 0.6, 0.5, 0.4), strict=True)))
    )
    votes = tested_images.votes(sure)
    assert np.allclose(votes.rows["label_quality"], [0.9, 0.8, 0.05, 0.4, 0.4])
    assert np.allclose(votes.pred_probs.max(axis=1), [0.9, 0.8, 0.95, 0.6, 0.4])
    shown = tested_images_section.results(sure, lambda name: Picture(uri=name))
    assert shown is not None and shown.single
    assert [(tile.image_id, tile.after, tile.right_after) for tile in shown.sheets[0].tiles] == [
        ("c", "cat", "95 %"),
        ("d", "dog", "60 %"),
    ]
    unsure = tested_images_section.results(one, lambda name: Picture(uri=name))
    assert unsure is not None and not unsure.single, "without probabilities it is a vote"
