"""The arms of a comparison as frames: checked, new validation images per seed, the control."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from imageclinic.core.errors import InputError
from imageclinic.core.reading.hashing import text_digest

ORIGINAL, CLEANED = "original", "cleaned"
RANDOM_REMOVAL, RANDOM_REVIEW = "random_removal", "random_review"
#: Columns of an arm, and of the test images.
ARM_COLUMNS = ["image_id", "path", "label", "split", "split_group"]
TEST_COLUMNS = ["image_id", "path", "label_original", "label_reviewed", "split_group"]
_OPTIONAL = ["label_reviewed_at_random"]


def checked(arms: Mapping[str, pd.DataFrame], test: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, int]:
    """The arms and the test images that can honestly be compared, sorted by `image_id`.

    Args:
        arms: name → frame with `image_id, path, label, split, split_group`.
        test: frame with `image_id, path, label_original, label_reviewed, split_group`.

    Returns:
        The arms; the test images without copies of any arm's images; how many those copies were.

    Raises:
        InputError: see `training.compare.retrain.compare`.
    """
    for name in (ORIGINAL, CLEANED):
        if name not in arms:
            raise InputError(f"there is no arm {name!r}", expected=f"{ORIGINAL}, {CLEANED} and any controls")
    frames = {name: _tidy(frame, ARM_COLUMNS, f"arm {name}") for name, frame in arms.items()}
    extra = [column for column in _OPTIONAL if column in test]
    images = _tidy(test, [*TEST_COLUMNS, *extra], "test images")
    if images.empty:
        raise InputError("there are no test images", expected="at least 2", fix="split the dataset with a test part")
    learnt_from = pd.concat(frames.values())
    copied = images["split_group"].isin(learnt_from["split_group"]) | images["image_id"].isin(learnt_from["image_id"])
    kept = images[~copied].reset_index(drop=True)
    if kept.empty:
        raise InputError(
            f"all {len(images)} test images are copies of training or validation images",
            expected="test images that no arm has learnt from",
            fix="split the dataset again, with copies kept together",
        )
    for name, frame in frames.items():
        _check_arm(name, frame, kept)
    return frames, kept, int(copied.sum())


def redraw(arm: pd.DataFrame, seed: int) -> pd.DataFrame:
    """`arm` with its training and validation images drawn again, about as many of each as before.

    Groups stay whole; classes are drawn from one by one, in an order that the seed and the group's name alone
    decide, so two arms draw alike where they have the same images. A class keeps at least one training group.

    Args:
        arm: columns `label, split, split_group`, as `checked` gives them.
        seed: of the draw.

    Returns:
        The same rows in the same order, with a new `split`; at least one validation image.
    """
    groups = arm.groupby("split_group", sort=True)["label"].min().rename("label").reset_index()
    groups["order"] = [
        hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).hexdigest() for name in groups["split_group"]
    ]
    groups = groups.sort_values("order")
    by_class = groups.groupby("label")["order"]
    place, size = groups.groupby("label").cumcount(), by_class.transform("size")
    share = (arm["split"] == "val").mean()
    chosen = place < np.minimum(np.floor(share * size + 0.5), size - 1)
    if not chosen.any():
        chosen = pd.Series(np.arange(len(groups)) == int(np.argmax(size.to_numpy())), index=groups.index)
    validation = set(groups.loc[chosen, "split_group"])
    return arm.assign(split=np.where(arm["split_group"].isin(validation), "val", "train"))


def random_removal(arm_original: pd.DataFrame, arm_cleaned: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A control: the original images without as many random ones as cleaning dropped, per class and split.

    What it loses or gains shows what dropping images does, whichever they are.

    Args:
        arm_original: columns `image_id, label, split` at least.
        arm_cleaned: the same; images of the original arm that are not in it were dropped by cleaning.
        seed: of the choice.

    Returns:
        Rows of `arm_original`, in their order.
    """
    dropped = ~arm_original["image_id"].isin(arm_cleaned["image_id"])
    generator = np.random.default_rng(seed)
    gone: list[str] = []
    for _, rows in arm_original.assign(dropped=dropped).groupby(["split", "label"], sort=True):
        ids = np.sort(rows["image_id"].to_numpy(object))
        gone.extend(generator.choice(ids, size=int(rows["dropped"].sum()), replace=False))
    return arm_original[~arm_original["image_id"].isin(gone)].reset_index(drop=True)


def random_review(arm_original: pd.DataFrame, truth: pd.Series, reviews: int, seed: int) -> pd.DataFrame:
    """A control: the original images after as many reviews of images drawn at random, by a reviewer who is right.

    What it gains shows what reviewing gains, wherever one looks.

    Args:
        arm_original: columns `image_id, label` at least.
        truth: true label by image_id; null: belongs to no class, so the reviewer drops it. Images that are not in
            it are reviewed and left as they are.
        reviews: how many images are looked at, at most all.
        seed: of the choice.

    Returns:
        Rows of `arm_original`, in their order, the looked-at ones with their true label.
    """
    ids = np.sort(arm_original["image_id"].to_numpy(object))
    seen = np.random.default_rng(seed).choice(ids, size=min(reviews, len(ids)), replace=False)
    return reviewed(arm_original, truth, seen)


def reviewed(arm: pd.DataFrame, truth: pd.Series, seen: Iterable[str]) -> pd.DataFrame:
    """`arm` after a reviewer who is right has looked at the images `seen`; see `random_review`."""
    looked = arm["image_id"].isin(list(seen)) & arm["image_id"].isin(truth.index)
    label = arm["label"].mask(looked, arm["image_id"].map(truth))
    return arm.assign(label=label)[label.notna()].reset_index(drop=True)


def digest(settings: Mapping[str, Any], *frames: pd.DataFrame) -> str:
    """A hash of settings and of every cell of the frames: equal exactly for equal content."""
    content = [json.dumps(settings, sort_keys=True)]
    cells = [frame.astype(object).where(frame.notna(), None).to_numpy(object).tolist() for frame in frames]
    content += [json.dumps([list(frame.columns), rows]) for frame, rows in zip(frames, cells, strict=True)]
    return text_digest("\n".join(content), 32)


def _tidy(data: pd.DataFrame, columns: list[str], what: str) -> pd.DataFrame:
    missing = [column for column in columns if column not in data.columns]
    if missing:
        raise InputError(f"{what}: no column {', '.join(missing)}", expected=f"the columns {', '.join(columns)}")
    tidy = data[columns].sort_values("image_id", ignore_index=True)
    tidy["split_group"] = tidy["split_group"].fillna(tidy["image_id"])
    for column in columns:
        empty = tidy.loc[tidy[column].isna(), "image_id"]
        if not column.startswith("label_reviewed") and len(empty):
            raise InputError(f"{what}: {empty.iloc[0]} has no {column}", expected=f"a {column} for every image")
    twice = tidy.loc[tidy["image_id"].duplicated(), "image_id"]
    if len(twice):
        raise InputError(f"{what}: {twice.iloc[0]} is there twice", expected="one row an image")
    return tidy


def _check_arm(name: str, frame: pd.DataFrame, test: pd.DataFrame) -> None:
    other = sorted(set(frame["split"]) - {"train", "val"})
    if other:
        raise InputError(f"arm {name}: split {other[0]!r}", expected="train or val")
    for split, use in (("train", "learn from"), ("val", "choose the epoch on")):
        if split not in set(frame["split"]):
            raise InputError(
                f"arm {name} has no {split} images to {use}",
                expected="training and validation images in every arm",
                fix="split the dataset with a train and a val part",
            )
    labels = set(frame["label"])
    if len(labels) < 2:
        raise InputError(f"arm {name} has one class only, {labels.pop()!r}", expected="at least 2 classes")
    needed = set(test["label_original"]) | set(test["label_reviewed"].dropna())
    absent = sorted(needed - labels)
    if absent:
        raise InputError(
            f"arm {name} has no images of the class {absent[0]!r}, which has test images",
            expected="training images of every class in the test set",
            fix="keep some images of the class, or leave it out of the test set",
        )
    if frame["split_group"].nunique() < 3:
        raise InputError(
            f"all {len(frame)} images of arm {name} are copies of each other", expected="at least 3 groups"
        )
