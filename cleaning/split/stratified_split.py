"""Train, val and test: stratified by label, groups of copies whole. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.cleaning.split import group_codes
from imageclinic.cleaning.split.allocation import allocate, normalised
from imageclinic.cleaning.split.group_codes import Groups
from imageclinic.cleaning.split.label_set_split import allocate_sets
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.naming import label_sets
from imageclinic.core.naming.wording import few, few_notes
from imageclinic.core.rows import lookup

__all__ = [
    "allocate",
    "assign",
    "keep",
    "moved",
    "placed_before",
    "require_complete",
    "require_training",
    "split_groups",
]

#: A split is reported when it is off its share by more than this part of all images (and more than one
#: image).
_TOLERANCE = 0.01


def assign(
    table: pd.DataFrame,
    shares: Sequence[float] = (0.8, 0.1, 0.1),
    *,
    seed: int,
    fixed: pd.DataFrame | None = None,
    label_separator: str | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Split labelled images into train, val and test.

    Args:
        table: image_id, label, split_group (null: the image is a group of its own). Rows without label are
            left out.
        shares: weights of train, val and test. 0 closes a split to all but the groups that are fixed to it:
            close test to keep the frozen test images and add none.
        seed: see `allocate`.
        fixed: image_id, split of images placed before (the audit's frozen test images, an earlier export). An
            image fixed to test stays test, and its whole group with it; images not in `table` are ignored.
        label_separator: what separates the classes of a label; None: each label is one class.

    Returns:
        A frame of `tables.SPLIT_TABLE` in the table's order, and one sentence for each deviation from what
        was asked.

    Raises:
        InputError: when shares are not three weights, or a fixed split has an unknown name.
    """
    if len(shares) != len(tables.SPLITS):
        raise InputError(f"{len(shares)} shares for a split", expected="three: train, val, test, such as 0.8,0.1,0.1")
    rows = _labelled(table, ["image_id", "label", "split_group"])
    group = group_codes.of(rows["image_id"], rows["split_group"])
    before, wanted = placed_before(rows["image_id"], group, fixed)
    if label_separator is None:
        part = allocate(rows["label"], group, shares, seed=seed, fixed=wanted)
    else:
        part = allocate_sets(rows["label"], group, shares, label_separator, seed=seed, fixed=wanted)
    result = tables.frame(
        tables.SPLIT_TABLE, image_id=rows["image_id"], split=np.array(tables.SPLITS, dtype=object)[part]
    )
    return result, _notes(rows, group, part, before, normalised(shares), label_separator)


def placed_before(
    image_id: pd.Series, group: Groups, fixed: pd.DataFrame | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where each image was, and where it has to go: the split's number, or -1. Test images keep their whole group."""
    before = np.full(len(image_id), -1, np.int64)
    if fixed is not None:
        known = tables.validate(fixed, tables.SPLIT_TABLE)
        place = pd.Index(tables.SPLITS).get_indexer(pd.Index(known["split"])).astype(np.int64)
        row = lookup.places(image_id, known["image_id"])
        before = np.append(place, -1)[row]
    test = tables.SPLITS.index("test")
    return before, np.where(group.among(before == test), test, before)


def moved(image_id: pd.Series, group: Groups, part: npt.NDArray[np.int64], before: npt.NDArray[np.int64]) -> list[str]:
    """A sentence for each of the first ten images that are no longer where they were."""
    names = np.array(tables.SPLITS, dtype=object)
    changed = np.flatnonzero((before >= 0) & (before != part))
    notes = [
        f"{image_id.iloc[at]} was in {names[before[at]]} and is now in {names[part[at]]}: "
        f"its group {group.name(group.code[at])} also has images in {names[part[at]]}."
        for at in changed[:10]
    ]
    if len(changed) > 10:
        notes.append(f"{len(changed) - 10} more images changed their split for the same reason.")
    return notes


def keep(table: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """Where an earlier export put the images that it shares with a table.

    Args:
        table: image_id, sha256; rows in any order.
        manifest: `tables.MANIFEST` of the earlier export.

    Returns:
        `tables.SPLIT_TABLE` of the images of `table` that are in `manifest`: by content, so that they may have been
        renamed or moved; or else by image_id, so that a file may have been repaired. Content that is in two splits of
        the manifest goes by image_id alone.
    """
    unique = manifest.groupby("sha256")["split"].agg(["nunique", "first"])
    by_content = table["sha256"].map(unique.loc[unique["nunique"] == 1, "first"]).astype("str")
    by_id = table["image_id"].map(manifest.drop_duplicates("image_id").set_index("image_id")["split"]).astype("str")
    split = by_content.fillna(by_id)
    known = split.notna()
    return tables.frame(tables.SPLIT_TABLE, image_id=table.loc[known, "image_id"], split=split[known])


def require_training(table: pd.DataFrame, splits: pd.DataFrame, label_separator: str | None = None) -> None:
    """Refuse a split that leaves a class without training images: nothing could learn it.

    Args:
        table: image_id, label. Rows without label are left out.
        splits: `tables.SPLIT_TABLE` of the labelled images.

    Raises:
        InputError: names such classes and where their images lie; or there is no labelled image.
    """
    rows = _with_splits(table, splits)
    if rows.empty:
        raise InputError(
            "no image is left to export",
            expected="images that can be read, have a label, and are not dropped",
            fix="take back decisions with imageclinic decide --undo, or audit images with labels",
        )
    rows = label_sets.by_class(rows, label_separator)
    counts = _counts(rows)
    lacking = counts[counts["train"] == 0]
    if not len(lacking):
        return
    named = [
        f"{label!r} ({', '.join(f'{row[s]} in {s}' for s in tables.SPLITS if row[s])})"
        for label, row in zip(lacking.index.astype(str), lacking.to_dict("records"), strict=True)
    ]
    raise InputError(
        f"No training image for class {few(named)}",
        expected="every class in train; images frozen as test or val stay there, with all their copies",
        fix="add images of the class, or relabel or drop those that it has",
    )


def require_complete(
    table: pd.DataFrame,
    splits: pd.DataFrame,
    clusters: pd.DataFrame,
    demand: Sequence[float | None],
    label_separator: str | None = None,
) -> None:
    """Refuse a split whose val or test is empty, or lacks a class: nothing would be measured there.

    Args:
        table: image_id, label. Rows without label are left out.
        splits: `tables.SPLIT_TABLE` of the labelled images.
        clusters: `tables.CLUSTERS`, with the groups that were kept whole.
        demand: shares or numbers of train, val and test, None for the rest; a split of 0 may be empty.

    Raises:
        InputError: names the splits, the classes, and how many images and groups they have.
    """
    rows = _with_splits(table, splits)
    given = lookup.values(rows["image_id"], clusters, "split_group")
    group = group_codes.of(rows["image_id"], given)
    biggest, n_images = group.sizes.max(initial=0), len(rows)
    rows = label_sets.by_class(rows.assign(group=group.code), label_separator)
    counts = _counts(rows)
    wanted = [name for name, part in zip(tables.SPLITS, demand, strict=True) if part is None or part > 0]
    groups = rows.groupby("label")["group"].nunique()
    problems = [f"{name} is empty" for name in wanted if not counts[name].sum()]
    for name in wanted:
        lacking = counts.index[counts[name] == 0] if counts[name].sum() else counts.index[:0]
        if len(lacking):
            named = [f"{label!r} ({_size(counts.loc[label].sum(), groups[label])})" for label in lacking]
            problems.append(f"no image in {name} for class {few(named)}")
    if problems:
        tied = f"; the biggest group of copies that stay together has {biggest:,} of {n_images:,} images"
        raise InputError(
            "; ".join(problems) + (tied if biggest > max(2, n_images // 10) else ""),
            expected="images of every class in train, val and test",
            fix="add images, or drop or merge such classes; ask for other parts with --split; if images are taken for "
            "copies that are none, decide to keep them, or use --near-copies apart; or export as it is with "
            "--allow-incomplete",
        )


def _with_splits(table: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """image_id, label and split of the labelled images that have a split."""
    rows = _labelled(table, ["image_id", "label"])
    split = lookup.values(rows["image_id"], splits, "split")
    rows = rows.assign(split=split)
    return rows if split.notna().all() else rows[split.notna()].reset_index(drop=True)


def _labelled(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """These columns of the rows with a label; of most tables those are all, and then nothing is copied."""
    labelled = table["label"].notna()
    rows = table[list(columns)] if labelled.all() else table.loc[labelled, list(columns)]
    return rows.reset_index(drop=True)


def _counts(rows: pd.DataFrame) -> pd.DataFrame:
    """How many rows each label, in order, has in each split."""
    label, names = pd.factorize(rows["label"], sort=True)
    split = lookup.places(rows["split"], tables.SPLITS)
    cells = np.bincount(label * len(tables.SPLITS) + split, minlength=len(names) * len(tables.SPLITS))
    return pd.DataFrame(cells.reshape(len(names), -1), index=names, columns=list(tables.SPLITS))


def split_groups(images: pd.Series, clusters: pd.DataFrame) -> pd.Series:
    """The split group of each image id: from `clusters` (tables.CLUSTERS), its own id where it has no
    copies."""
    return lookup.values(images, clusters, "split_group").astype("str").fillna(images)


def _notes(
    rows: pd.DataFrame,
    group: Groups,
    part: npt.NDArray[np.int64],
    before: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    separator: str | None,
) -> list[str]:
    notes = moved(rows["image_id"], group, part, before)
    counts = np.bincount(part, minlength=len(weights))
    shared = int(counts[weights > 0].sum())
    biggest: int | None = None
    for p, name in enumerate(tables.SPLITS):
        off = abs(counts[p] - weights[p] * shared)
        if weights[p] > 0 and off > max(1.0, _TOLERANCE * shared):
            biggest = int(group.sizes.max()) if biggest is None else biggest
            notes.append(
                f"{name} has {counts[p]} of {shared} images ({counts[p] / shared:.1%}) instead of "
                f"{weights[p]:.1%}; groups stay whole (the biggest has {biggest} images), "
                "placed images stay, and every class goes into every split where it can."
            )
    each = label_sets.by_class(pd.DataFrame({"label": rows["label"], "group": group.code, "part": part}), separator)
    code, classes = pd.factorize(each["label"], sort=True)
    have = np.bincount(code * len(weights) + each["part"].to_numpy(), minlength=len(classes) * len(weights))
    missing = []
    for at, counts in enumerate(have.reshape(-1, len(weights))):
        lacking = [s for p, s in enumerate(tables.SPLITS) if weights[p] > 0 and counts[p] == 0]
        if lacking:
            missing.append(
                f"Class {str(classes[at])!r} is missing from {' and '.join(lacking)}: it has {counts.sum()} images in "
                f"{each.loc[code == at, 'group'].nunique()} groups that stay whole."
            )
    return [*notes, *few_notes(missing, "classes are missing from a split")]


def _size(images: int, groups: int) -> str:
    return f"{images:,} image{'s' * (images != 1)} in {groups:,} group{'s' * (groups != 1)}"
