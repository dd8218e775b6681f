"""Given label against predicted label: a table whose numbers lead to the images, worst first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from imageclinic.core.predicted import confusions
from imageclinic.core.tables import Predictions
from imageclinic.report.thumbnails import Picture

#: Of many classes those that are confused most are in the table.
MOST_CLASSES = 14
#: Pairs that are listed beside it.
MOST_LISTED = 12
#: Pictures of a pair, and of all pairs together; of what is beyond the file names are given.
MOST_TILES, MOST_PICTURES, MOST_NAMES = 12, 300, 60


@dataclass(frozen=True)
class Cell:
    """A number of the table: its pair, how many images, how dark, and where its images are; `anchor` is empty without
    any."""

    given: str
    predicted: str
    n: int
    heat: float
    anchor: str
    same: bool


@dataclass(frozen=True)
class Tile:
    """An image of a pair, with the probabilities of the two labels."""

    image_id: str
    picture: Picture
    given_share: float
    predicted_share: float


@dataclass(frozen=True)
class Sheet:
    """The images of one pair: pictures, then names, then a number of more."""

    anchor: str
    given: str
    predicted: str
    n: int
    tiles: list[Tile]
    names: list[str]
    left_out: int


@dataclass(frozen=True)
class Table:
    """What the template draws. `n` images are confused, of `total`; `left_out` of them lie outside the table."""

    n: int
    total: int
    classes: list[str]
    rows: list[list[Cell]]
    sheets: list[Sheet]
    listed: list[Sheet]
    left_out: int


def table(
    predictions: Predictions, labels: pd.Series, picture: Callable[[str], Picture], *, prefix: str = "confused"
) -> Table | None:
    """The table and the images of its pairs; None when every prediction is the given label.

    Args:
        predictions: of models that did not learn from the images.
        labels: image_id → label.
        picture: a small picture of an image.
        prefix: of the anchors of its sheets, another one for each table of a page.
    """
    wrong = confusions.confused(predictions, labels)
    if wrong.empty:
        return None
    pairs = confusions.pairs(wrong)
    order = confusions.most_confused(wrong, predictions.classes, MOST_CLASSES)
    inside = pairs["given"].isin(order) & pairs["predicted"].isin(order)
    shown = pairs[inside | (pairs.index < MOST_LISTED)]
    sheets = _sheets(wrong, shown, picture, prefix)
    at = {(sheet.given, sheet.predicted): sheet for sheet in sheets}
    right = confusions.right(predictions, labels, wrong)
    largest = int(pairs.loc[inside, "n"].max()) if inside.any() else 1

    def cell(given: str, predicted: str) -> Cell:
        if given == predicted:
            return Cell(given, predicted, int(right.get(given, 0)), 0, "", same=True)
        sheet = at.get((given, predicted))
        n, anchor = (sheet.n, sheet.anchor) if sheet else (0, "")
        return Cell(given, predicted, n, n / largest, anchor, same=False)

    rows = [[cell(given, predicted) for predicted in order] for given in order]
    left_out = len(wrong) - int(pairs.loc[inside, "n"].sum())
    listed = sheets[:MOST_LISTED] if len(predictions.classes) > MOST_CLASSES else []
    return Table(len(wrong), len(wrong) + int(right.sum()), order, rows, sheets, listed, left_out)


def _sheets(wrong: pd.DataFrame, shown: pd.DataFrame, picture: Callable[[str], Picture], prefix: str) -> list[Sheet]:
    by_pair = dict(iter(wrong.groupby(["given", "predicted"])))
    found, left = [], MOST_PICTURES
    for place, (given, predicted, n) in enumerate(shown[["given", "predicted", "n"]].itertuples(index=False), start=1):
        images = by_pair[given, predicted]
        worst = images.head(min(MOST_TILES, left))
        left -= len(worst)
        names = images["image_id"].iloc[len(worst) : len(worst) + MOST_NAMES].tolist()
        columns = (worst["image_id"], worst["given_share"], worst["predicted_share"])
        tiles = [Tile(i, picture(i), float(g), float(p)) for i, g, p in zip(*columns, strict=True)]
        left_out = int(n) - len(tiles) - len(names)
        found.append(Sheet(f"{prefix}-{place}", given, predicted, int(n), tiles, names, left_out))
    return found
