"""(dataset, decisions) → cleaned table. Pure; the images and the dataset table stay as they are."""

from __future__ import annotations

import pandas as pd

from imageclinic.core import tables

CHANGES = ("image_id", "change", "from_label", "to_label", "why", "reviewer")


def apply(dataset: pd.DataFrame, current: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Apply the decisions in force. Undecided, unsure and disputed images stay in, under their given label.

    Args:
        dataset: tables.DATASET.
        current: see `cleaning.decisions.decision_log.current`.

    Returns:
        The cleaned table: exactly the dataset's columns and order, without dropped, unreadable and unlabelled
        images, relabelled where decided. And the changes, sorted by image_id: image_id; change (dropped,
        relabelled, unreadable, unlabelled); from_label and to_label (null: none); why; reviewer (null: no
        decision did it).
    """
    at = dataset["image_id"]
    decided = current.set_index("image_id")
    decision = at.map(decided["decision"]).astype("str")
    relabel = decision.eq("relabel")
    label = dataset["label"].where(~relabel, at.map(decided["label"])).astype("str")

    change = pd.Series(None, index=dataset.index, dtype="str")
    change = change.mask(relabel & label.ne(dataset["label"]), "relabelled")
    change = change.mask(label.isna(), "unlabelled")
    change = change.mask(dataset["read_error"].notna(), "unreadable")
    change = change.mask(decision.eq("drop"), "dropped")
    by_decision = change.isin(["dropped", "relabelled"])
    why = _reasons(current).reindex(at).set_axis(dataset.index).astype("str")
    why = why.where(by_decision, dataset["read_error"].where(change.eq("unreadable"), "no label"))

    gone = change.notna() & change.ne("relabelled")
    cleaned = tables.validate(dataset.assign(label=label)[~gone].reset_index(drop=True), tables.DATASET)
    changes = pd.DataFrame(
        {
            "image_id": at,
            "change": change,
            "from_label": dataset["label"],
            "to_label": label.where(~gone),
            "why": why,
            "reviewer": at.map(decided["reviewer"]).astype("str").where(by_decision),
        }
    )
    return cleaned, changes[change.notna()].sort_values("image_id", ignore_index=True)[list(CHANGES)]


def _reasons(current: pd.DataFrame) -> pd.Series:
    """The reason of each decision, by image_id: the checks that were confirmed, and the note."""
    checks = current["confirmed"].str.replace(";", ", ").fillna("")
    note = current["note"].fillna("")
    both = checks + (": " + note).where((checks != "") & (note != ""), note)
    return both.where(both != "", "decided").set_axis(current["image_id"])
