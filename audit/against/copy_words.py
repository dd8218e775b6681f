"""Copies of new images in a run: their order, and sentences about them. Pure."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.copies.pair_views import in_words
from imageclinic.core.tables import ALIGNED, TILE

_GRAVITY = {"test": 0, "val": 1, "train": 2}
_KINDS = {"bytes": "The same bytes as", "pixels": "The same pixels as", "near": "A near copy of"}


def with_run(pairs: pd.DataFrame, new: pd.DataFrame, run: pd.DataFrame) -> pd.DataFrame:
    """Pairs (`audit.against.copies_of_run.find`) with what is known of both sides.

    Args:
        pairs: image_id (new), other_id (in the run), ….
        new: the new dataset table.
        run: image_id, split (frozen; null: none), label (decided), decision (null: none).

    Returns:
        Further columns: label and split of the new image (train where it came without one), run_label, run_split,
        run_decision; across: whether they are in different splits.
    """
    mine, theirs = new.set_index("image_id"), run.set_index("image_id")
    found = pairs.assign(
        label=pairs["image_id"].map(mine["label"]).astype("str"),
        split=pairs["image_id"].map(mine["split"]).astype("str").fillna("train"),
        run_label=pairs["other_id"].map(theirs["label"]).astype("str"),
        run_split=pairs["other_id"].map(theirs["split"]).astype("str"),
        run_decision=pairs["other_id"].map(theirs["decision"]).astype("str"),
    )
    return found.assign(across=found["run_split"].notna() & (found["run_split"] != found["split"]))


def worst_first(pairs: pd.DataFrame) -> pd.DataFrame:
    """Of each new image first the pair that matters most: across splits, with a test image, the most similar one."""
    ordered = pairs.assign(
        gravity=pairs["run_split"].map(_GRAVITY).fillna(3).astype(int), within=~pairs["across"].astype(bool)
    )
    by = ["image_id", "within", "gravity", "similarity", "other_id"]
    return ordered.sort_values(by, ascending=[True, True, True, False, True]).drop(columns=["gravity", "within"])


def evidence(pairs: pd.DataFrame) -> list[str]:
    """A sentence for each pair."""
    columns = ["kind", "other_id", "transform", "label", "run_label", "run_split", "run_decision", "verified"]
    sentences = []
    for kind, other, transform, own, label, split, decision, verified in pairs[columns].itertuples(
        index=False, name=None
    ):
        turned = "" if transform == "identity" else f", {in_words(str(transform))},"
        # Of whole pictures that is a finding of conflicting_label.
        if transform in (ALIGNED, TILE) and pd.notna(own) and pd.notna(label) and own != label:
            turned += f" labelled {label},"
        where = "in the run" if pd.isna(split) else f"in the run's {split} split"
        dropped = ", which was dropped" if decision == "drop" else ""
        how = "" if verified else " (by thumbnails only)"
        sentences.append(f"{_KINDS[str(kind)]} {other}{turned} {where}{dropped}{how}.")
    return sentences
