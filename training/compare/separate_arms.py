"""Arms that keep apart what cleaning did: copies of test images, other copies, corrected labels, all else.

A model that has learnt a test image's copy remembers it. Judged against such a model, a cleaned dataset looks worse for
having repaired the leak. So copies of test images leave both arms, and each thing that cleaning did is an arm of its
own on the way from the one to the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from imageclinic.training.compare.arms import CLEANED, ORIGINAL, WITHOUT_TWINS

COPIES_DROPPED, CORRECTED, OTHERS_DROPPED = "copies_dropped", "corrected", "others_dropped"
#: Where classes would keep less than this share of their images in the mean, the test images with copies are left out
#: instead, if that costs less.
_KEPT = 0.5


@dataclass(frozen=True)
class Step:
    """What makes `arm` of `against`: `kind` (copies, labels, drops, additions) and how many images it changes."""

    kind: str
    arm: str
    against: str
    images: int


def separate(
    original: pd.DataFrame, cleaned: pd.DataFrame, test: pd.DataFrame
) -> tuple[dict[str, pd.DataFrame], list[Step]]:
    """The arms from `original` to `cleaned`, and the steps between them.

    Args:
        original, cleaned: columns `image_id, label, split_group` at least (null group: the image is its own), and
            `cluster` where it is known which images are copies of each other, and not just of one group.
        test: columns `image_id, label_original, split_group`.

    Returns:
        Arms by name: ``original``; ``without_twins``, without the images that share a group with a test image;
        ``copies_dropped``, ``corrected`` and ``others_dropped``, where something else is changed after it;
        ``cleaned``, without copies of test images. No arm equals the one before it: without changes there is no
        ``cleaned``. Where leaving copies of test images out would cost a class, or more than half of the images and
        more than leaving their test images out of the test does, only those are left out that cleaning dropped.
    """
    held = set(_groups(test)) | set(test["image_id"])
    twins, others = (_groups(f).isin(held) | f["image_id"].isin(held) for f in (original, cleaned))
    arms = {ORIGINAL: original}
    if _removable(original, cleaned, test, twins, others):
        cleaned = cleaned[~others]
    else:
        twins &= ~original["image_id"].isin(cleaned["image_id"])
    name, now = ORIGINAL, original
    if twins.any():
        name, now = WITHOUT_TWINS, original[~twins]
        arms[name] = now

    stays = now["image_id"].isin(cleaned["image_id"])
    same, left = ((f["cluster"] if "cluster" in f else _groups(f)) for f in (now, cleaned))
    copies = ~stays & same.notna() & same.isin(left.dropna())
    labels = now["image_id"].map(cleaned.set_index("image_id")["label"])
    wrong = stays & (labels != now["label"])
    new = ~cleaned["image_id"].isin(now["image_id"])
    others_gone = ~stays & ~copies
    relabelled = now.assign(label=labels.where(wrong, now["label"]))
    ways = [
        ("copies", COPIES_DROPPED, int(copies.sum()), now[~copies]),
        ("labels", CORRECTED, int(wrong.sum()), relabelled[~copies]),
        ("drops", OTHERS_DROPPED, int(others_gone.sum()), relabelled[stays]),
        ("additions", CLEANED, int(new.sum()), cleaned),
    ]
    ways = [way for way in ways if way[2]]
    steps = []
    for kind, arm, images, frame in ways:
        last = kind == ways[-1][0]
        arm = CLEANED if last else arm
        arms[arm] = cleaned if last else frame
        steps.append(Step(kind, arm, name, images))
        name = arm
    return {arm: frame.reset_index(drop=True) for arm, frame in arms.items()}, steps


def _groups(frame: pd.DataFrame) -> pd.Series:
    return frame["split_group"].fillna(frame["image_id"])


def _removable(
    original: pd.DataFrame, cleaned: pd.DataFrame, test: pd.DataFrame, twins: pd.Series, others: pd.Series
) -> bool:
    """Whether copies of test images are left out of training, rather than their test images out of the test."""
    tested = set(test["label_original"])
    shares = []
    for frame, gone in ((original, twins), (cleaned, others)):
        kept = (~gone).groupby(frame["label"]).mean()
        shares.append(kept[kept.index.isin(tested)])
    learnt = {*_groups(original), *_groups(cleaned), *original["image_id"], *cleaned["image_id"]}
    judged = 1 - float((_groups(test).isin(learnt) | test["image_id"].isin(learnt)).mean())
    return all(kept.min() > 0 and kept.mean() >= min(_KEPT, judged) for kept in shares)
