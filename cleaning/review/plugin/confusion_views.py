"""Pairs of classes that are confused: the table of them, and the images of one, to decide about together."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from fiftyone import ViewField as F

from imageclinic.cleaning.review.plugin.operators import Unlisted
from imageclinic.cleaning.review.plugin.selection import HIDDEN, UNDECIDED, blind, images_in_words, reviewer, run_of
from imageclinic.core import tables
from imageclinic.core.predicted import confusions, tested_images
from imageclinic.core.run import open_run

#: Pairs that the panel lists, and those that stand beside the table; classes that the table has at most.
_LISTED, _BESIDE, _MOST_CLASSES = 10, 60, 20
_SHOWN = ("id", "image_id", "display_path", "split", "decision", "decided_label", "reviewer", "settled")


@dataclass(frozen=True)
class _Judged:
    """`wrong`: see `core.predicted.confusions.confused`; `right`: label → images whose prediction is the label."""

    wrong: pd.DataFrame
    right: pd.Series
    classes: tuple[str, ...]


class Confusion(Unlisted):
    """Opens the images of a pair of classes, ``given`` and ``predicted``; ``tested``: of test images; ``again``: they
    are open already.

    Returns ``message``, ``total``, and ``images``, the least likely label first: ``id, name, picture, split, waiting``,
    whether it is undecided, ``state``, what is decided, and the two probabilities ``given`` and ``predicted``.
    """

    name, label = "confusion", "confusion"

    def execute(self, ctx: Any) -> dict[str, Any]:
        pair = str(ctx.params["given"]), str(ctx.params["predicted"])
        if blind(ctx):
            return {"message": HIDDEN.format("a prediction would show what is suggested"), "images": []}
        images = images_of(ctx, *pair, tested=bool(ctx.params.get("tested")))
        if not images:
            return {"message": "No image of this pair is loaded.", "images": []}
        if not ctx.params.get("again"):
            ctx.ops.set_view(ctx.dataset.select([image["id"] for image in images], ordered=True))
        words = f"{images_in_words(len(images))} labelled {pair[0]}, predicted as {pair[1]}"
        return {"message": f"{words}, the least likely label first.", "images": images}


class ConfusionMatrix(Unlisted):
    """The table of given label against predicted label; ``tested``: of test images.

    Returns ``classes``; ``rows``, for each given label the number of images of each predicted one; ``left``, how many
    of these are undecided; ``pairs``, the most frequent ones as ``given, predicted, n, left``; ``left_out``, images
    that are confused between classes that are not in the table; ``message``, why there is no table.
    """

    name, label = "confusion_matrix", "confusion matrix"

    def execute(self, ctx: Any) -> dict[str, Any]:
        if blind(ctx):
            return {"message": HIDDEN.format("predictions would show what is suggested")}
        judged = _judged(ctx, bool(ctx.params.get("tested")))
        if judged is None or judged.wrong.empty:
            return {"message": "No image is predicted as another class than its label."}
        return _table(judged, _undecided(ctx, judged.wrong))


def pairs_listed(ctx: Any, tested: bool = False) -> list[list[Any]]:
    """``given, predicted, n`` of the most frequent pairs of given label and out-of-fold prediction, or, where `tested`,
    of a test image's label and what the trainings after cleaning name; [] without predictions."""
    judged = _judged(ctx, tested)
    if judged is None:
        return []
    pairs = confusions.pairs(judged.wrong).head(_LISTED)
    return [[given, predicted, int(n)] for given, predicted, n in pairs.itertuples(index=False)]


def images_of(ctx: Any, given: str, predicted: str, tested: bool = False) -> list[dict[str, Any]]:
    """The loaded images of a pair, the least likely label first, as `Confusion` returns them."""
    judged = _judged(ctx, tested)
    if judged is None:
        return []
    wrong = judged.wrong
    of_pair = wrong[wrong["given"].eq(given) & wrong["predicted"].eq(predicted)]
    found = ctx.dataset.match(F("image_id").is_in(of_pair["image_id"].tolist())).values(list(_SHOWN))
    known = {row[1]: dict(zip(_SHOWN, row, strict=True)) for row in zip(*found, strict=True)}
    me = reviewer(ctx)
    shares = of_pair[["image_id", "given_share", "predicted_share"]].itertuples(index=False)
    return [_image(known[name], me, float(g), float(p)) for name, g, p in shares if name in known]


def _image(row: dict[str, Any], me: str, given: float, predicted: float) -> dict[str, Any]:
    state = row["decision"]
    if state and me not in (row["reviewer"] or "").split(";"):
        state = "decided"  # by somebody else: what, shows after one's own decision
    elif state == "relabel":
        state = f"relabel to {row['decided_label']}"
    return {
        "id": row["id"],
        "name": row["image_id"],
        "picture": row["display_path"],
        "split": row["split"],
        "waiting": not row["decision"] and not row["settled"],
        "state": state or "",
        "given": round(given, 4),
        "predicted": round(predicted, 4),
    }


def _undecided(ctx: Any, wrong: pd.DataFrame) -> pd.DataFrame:
    """The rows of `wrong` whose image is loaded and undecided."""
    names = ctx.dataset.match(F("image_id").is_in(wrong["image_id"].tolist())).match(UNDECIDED).values("image_id")
    return wrong[wrong["image_id"].isin(names)]


def _table(judged: _Judged, undecided: pd.DataFrame) -> dict[str, Any]:
    classes = confusions.most_confused(judged.wrong, judged.classes, _MOST_CLASSES)
    pairs = confusions.pairs(judged.wrong)
    count = {(given, predicted): int(n) for given, predicted, n in pairs.itertuples(index=False)}
    left = {(given, predicted): int(n) for given, predicted, n in confusions.pairs(undecided).itertuples(index=False)}
    same = {(name, name): int(judged.right.get(name, 0)) for name in classes}
    inside = pairs["given"].isin(classes) & pairs["predicted"].isin(classes)
    return {
        "classes": classes,
        "rows": [[(count | same).get((given, predicted), 0) for predicted in classes] for given in classes],
        "left": [[left.get((given, predicted), 0) for predicted in classes] for given in classes],
        "pairs": [[*pair, n, left.get(pair, 0)] for pair, n in list(count.items())[:_BESIDE]],
        "left_out": int(pairs.loc[~inside, "n"].sum()),
    }


def _judged(ctx: Any, tested: bool) -> _Judged | None:
    """What models say of the images that they did not see; None without predictions."""
    run = run_of(ctx)
    file = run.table_path(tested_images.TEST_PREDICTIONS) if tested else run.predictions
    return _read(run.path, tested, file.stat().st_mtime_ns) if file.is_file() else None


@functools.lru_cache(maxsize=2)
def _read(path: Path, tested: bool, changed: int) -> _Judged:
    run = open_run(path)
    if tested:
        rows = run.read(tested_images.TEST_PREDICTIONS)
        predictions, labels = tested_images.votes(rows), tested_images.per_image(rows).set_index("image_id")["label"]
    else:
        predictions, labels = run.read_predictions(), run.read(tables.DATASET).set_index("image_id")["label"]
    wrong = confusions.confused(predictions, labels)
    return _Judged(wrong, confusions.right(predictions, labels, wrong), predictions.classes)


ALL = (Confusion, ConfusionMatrix)
