"""Test images one by one: which ones cleaning fixed, which it broke, which are wrong, and what they are taken for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from imageclinic.core.predicted import tested_images
from imageclinic.core.predicted.tested_images import AFTER, BEFORE, BROKEN, FIXED
from imageclinic.report.predicted import confusion_section
from imageclinic.report.thumbnails import Picture

#: Pictures of each sheet.
MOST_TILES = 24


@dataclass(frozen=True)
class Tile:
    """A test image: its label, the class that most trainings name, and in how many of them that is right, such as
    ``2/5``; of a single training, how sure it is. Without trainings before cleaning, that side is empty."""

    image_id: str
    picture: Picture
    label: str
    before: str
    right_before: str
    after: str
    right_after: str


@dataclass(frozen=True)
class Sheet:
    """Some test images: the first `tiles` of `n`."""

    title: str
    n: int
    tiles: list[Tile]

    @property
    def left_out(self) -> int:
        """Images that are not shown."""
        return self.n - len(self.tiles)


@dataclass(frozen=True)
class Results:
    """What the template draws."""

    total: int
    compared: bool
    single: bool
    trainings: str
    sheets: list[Sheet]
    confused: confusion_section.Table | None


def results(rows: pd.DataFrame, picture: Callable[[str], Picture]) -> Results | None:
    """The sheets and the table; None where nothing was trained on cleaned images.

    Args:
        rows: of TEST_PREDICTIONS.
        picture: a small picture of an image.
    """
    images = tested_images.per_image(rows)
    before, after = tested_images.trainings(rows)
    if not after or images.empty:
        return None
    votes, one = tested_images.votes(rows), tested_images.single(rows)
    wrong, sure = tested_images.wrong(images), rows.drop_duplicates("image_id").set_index("image_id")["probability"]
    if one:  # the surest mistakes first
        wrong = wrong.iloc[wrong["image_id"].map(-sure).argsort(kind="stable")]
    sheets = [("Wrong on the test set", wrong)]
    if before:
        names = {FIXED: "Fixed by cleaning", BROKEN: "Broken by cleaning"}
        sheets = [*((name, tested_images.changed(images, effect)) for effect, name in names.items()), *sheets]

    def tile(row: Mapping[Any, Any]) -> Tile:
        of = {BEFORE: before, AFTER: after}
        right = {side: f"{round(float(str(row[f'right_{side}'])) * n)}/{n}" for side, n in of.items() if n}
        name, label = str(row["image_id"]), str(row["label"])
        if one:
            right[AFTER] = f"{100 * sure[name]:.0f} %"
        named = str(row[BEFORE]) if before else ""
        return Tile(name, picture(name), label, named, right.get(BEFORE, ""), str(row[AFTER]), right[AFTER])

    shown = [
        Sheet(title, len(found), [tile(row) for row in found.head(MOST_TILES).to_dict("records")])
        for title, found in sheets
    ]
    labels = images.set_index("image_id")["label"]
    confused = confusion_section.table(votes, labels, picture, prefix="test-confused")
    n = f"{after} training" + ("" if after == 1 else "s")
    words = f"{n} before cleaning and {n} after it." if before else f"{n} on the cleaned images."
    return Results(len(images), bool(before), one, words, shown, confused)
