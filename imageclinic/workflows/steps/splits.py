"""Which split each cleaned image goes to: what was asked for, what is frozen, and which copies stay together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.copies import clusters, find_copies
from imageclinic.audit.copies.compact.image_rows import ThumbnailSource
from imageclinic.cleaning.decisions import decision_log
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.large.vector_file import thumbnails_of
from imageclinic.core.naming import label_sets
from imageclinic.core.rows import lookup
from imageclinic.workflows.steps.copies_key import are_current
from imageclinic.workflows.steps.run_state import State

if TYPE_CHECKING:
    from imageclinic.workflows.steps.reencode import Reencoded


def regroup(
    state: State,
    cleaned: pd.DataFrame,
    *,
    near: bool = True,
    new: Reencoded | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """The clusters table, with split groups that also hold the copies found among the cleaned images alone; and notes
    on near copies that don't tie images.

    How alike copies must look is measured on the images that are no copies (`audit.copies.thumbnail_match`), and
    cleaning changes
    those: among fewer images a pair may stand out that did not among all. The proof looks at the cleaned images. Of
    images that were re-encoded, the `new` file counts. Where the cleaned images have all contents that the audit
    searched, as when copies alone were dropped, a search would find the audit's pairs again, and is left out.

    Near copies tie images if `near`, but for pairs of which a person decided to keep both
    (`decision_log.kept_by_persons`): who sees that two images look alike and keeps both has decided that they are two.
    """
    kept = lookup.among(state.dataset["image_id"], cleaned.loc[cleaned["label"].notna(), "image_id"])
    pairs = state.run.read(tables.NEIGHBORS)
    if new is not None or not _searched(state, kept):
        pairs = pd.concat([pairs, _search(state, state.dataset[kept], new, progress)], ignore_index=True)
    pairs = pairs.drop_duplicates(["image_id", "other_id"], keep="last", ignore_index=True)
    apart = pairs["kind"].eq("near")
    notes = []
    if near:
        chosen = decision_log.kept_by_persons(state.log, state.current)
        apart &= pairs["image_id"].isin(chosen) & pairs["other_id"].isin(chosen)
        if apart.any():
            notes.append(
                f"{apart.sum():,} pairs of near copies may lie in different splits: a person decided to keep both."
            )
    elif apart.any():
        notes.append(f"{apart.sum():,} pairs of near copies may lie in different splits, as asked (near copies apart).")
    named = state.dataset.loc[state.dataset["group"].notna(), ["image_id", "group"]]
    groups = clusters.cluster(pairs[~apart], named.set_index("image_id")["group"])
    groups = groups[["image_id", "split_group"]]
    before = lookup.values(groups["image_id"], state.clusters, "cluster")
    return tables.validate(groups.assign(cluster=before), tables.CLUSTERS), notes


def _searched(state: State, kept: npt.NDArray[np.bool_]) -> bool:
    """Whether the audit has searched just the contents that the kept images have."""
    readable = state.dataset["read_error"].isna().to_numpy()
    content = state.dataset["sha256"]
    left_out = readable & ~kept
    same = lookup.places(content, content[left_out])  # few images are left out, and all text is long
    if (readable & content.isna().to_numpy()).any() or not np.isin(same[left_out], same[readable & kept]).all():
        return False
    return are_current(state.run, state.dataset)


def _search(
    state: State, images: pd.DataFrame, new: Reencoded | None, progress: Callable[[int, int], None] | None
) -> pd.DataFrame:
    """Pairs of copies among some of the images."""
    columns = list(find_copies.COLUMNS[tables.FEATURES])
    features, files = state.run.read(tables.FEATURES, columns), {}
    thumbnails: ThumbnailSource = thumbnails_of(state.run)
    if new is not None:
        files = dict(zip(new.files["image_id"], new.files["file"], strict=True))
        features = pd.concat([features[~features["image_id"].isin(files)], new.features[columns]], ignore_index=True)
        ids, pixels = state.run.read_thumbnails()
        old = (~ids.isin(files)).to_numpy()
        ids = pd.concat([ids[old], new.thumbnails[0]], ignore_index=True)
        thumbnails = ids, np.concatenate([pixels[old], new.thumbnails[1]])
    features = features[lookup.among(features["image_id"], images["image_id"])]  # those of all go
    found, _, _ = find_copies.find(
        images[list(find_copies.COLUMNS[tables.DATASET])],
        features,
        thumbnails,
        lambda image_id: files.get(image_id) or state.run.image_path(image_id),
        progress=progress,
    )
    return found


def assign(
    state: State,
    cleaned: pd.DataFrame,
    demand: Sequence[float | None],
    seed: int,
    old: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Splits for a cleaned table: frozen test images stay test, the rest is divided as `demand` says (see
    `cleaning.split.demanded_split.demanded`).

    What the dataset's own split says comes first; then `old`, the manifest of an earlier export; then the test images
    that the audit drew.
    """
    from imageclinic.cleaning.split import stratified_split
    from imageclinic.cleaning.split.split_counts import assign_counts

    separator = state.run.info().get(label_sets.KEY)
    grouped = cleaned[["image_id", "label", "sha256"]]
    grouped = grouped.assign(split_group=lookup.values(cleaned["image_id"], state.clusters, "split_group"))
    frozen = state.splits[state.splits["split"] == "test"]
    own = state.dataset.loc[state.dataset["split"].isin(["val", "test"]), "image_id"]
    if len(own):
        # The dataset's own validation images stay, too; only what it left open is drawn.
        frozen = state.splits[state.splits["split"].eq("test") | state.splits["image_id"].isin(own)]
    closed_val = frozen["split"].eq("val").any()
    notes = []
    if old is not None:
        before = stratified_split.keep(grouped, old)
        before = before[~before["image_id"].isin(own)]
        frozen = pd.concat([before, frozen[~frozen["image_id"].isin(before["image_id"])]], ignore_index=True)
        notes.append(f"{len(before):,} images are in the splits that the earlier export gave them.")
    shares = [part for part in demand if isinstance(part, float)]
    if len(shares) < len(demand):
        if separator is not None:
            raise InputError(
                "numbers of images with --split, of images that may have several classes",
                expected="shares, such as 0.8,0.1,0.1",
            )
        counts = [None if part is None else int(part) for part in demand]
        splits, deviations = assign_counts(grouped, counts, seed=seed, fixed=frozen if len(frozen) else None)
        return splits, notes + deviations
    if not len(frozen):
        return stratified_split.assign(grouped, shares, seed=seed, label_separator=separator)
    train, val, test = shares
    held = lookup.among(grouped["image_id"], frozen.loc[frozen["split"] == "test", "image_id"]).mean()
    if held and abs(held - test) > 0.01:
        notes.append(f"Images frozen as test stay test: {held:.1%} instead of {test:.1%}. The others share the rest.")
    open_shares = (train, 0.0 if closed_val else val, 0.0 if frozen["split"].eq("test").any() else test)
    splits, deviations = stratified_split.assign(
        grouped, open_shares, seed=seed, fixed=frozen, label_separator=separator
    )
    return splits, notes + deviations


def earlier(path: Path, cleaned: pd.DataFrame) -> pd.DataFrame:
    """The manifest of an earlier export. Raises InputError when it is of other images."""
    manifest = tables.read_csv(path / tables.MANIFEST.file if path.is_dir() else path, tables.MANIFEST)
    if not (cleaned["image_id"].isin(manifest["image_id"]) | cleaned["sha256"].isin(manifest["sha256"])).any():
        raise InputError(
            f"no image of this run is in {path}",
            expected="the manifest.csv of an earlier export of these images",
            fix="leave --keep-split out for a new split",
        )
    return manifest
