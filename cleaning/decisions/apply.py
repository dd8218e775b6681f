"""(dataset, decisions) → cleaned table. Pure; the images and the dataset table stay as they are."""

from __future__ import annotations

import pandas as pd

from imageclinic.core import tables
from imageclinic.core.rows import lookup

CHANGES = ("image_id", "change", "from_label", "to_label", "why", "reviewer")


def apply(dataset: pd.DataFrame, current: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Apply the decisions in force. Undecided, unsure and disputed images stay in, under their given label.

    Args:
        dataset: tables.DATASET, or some of its columns: at least image_id, label and read_error.
        current: see `cleaning.decisions.decision_log.current`.

    Returns:
        The cleaned table: exactly the dataset's columns and order, without dropped, unreadable and unlabelled
        images, relabelled where decided. And the changes, sorted by image_id: image_id; change (dropped,
        relabelled, unreadable, unlabelled); from_label and to_label (null: none); why; reviewer (null: no
        decision did it).
    """
    at = dataset["image_id"]
    decision = lookup.values(at, current, "decision").astype("str")
    relabel = decision.eq("relabel")
    label = dataset["label"]
    if relabel.any():
        label = label.where(~relabel, lookup.values(at, current, "label")).astype("str")

    change = pd.Series(None, index=dataset.index, dtype="str")
    change = change.mask(relabel & label.ne(dataset["label"]), "relabelled")
    change = change.mask(label.isna(), "unlabelled")
    change = change.mask(dataset["read_error"].notna(), "unreadable")
    change = change.mask(decision.eq("drop"), "dropped")
    gone = change.notna() & change.ne("relabelled")
    cleaned = dataset.assign(label=label)[~gone].reset_index(drop=True)
    given = tables.DATASET.only(list(dataset.columns))
    tables.validate(cleaned[(change[~gone] == "relabelled").to_numpy()], given)  # what else is there is valid

    # Few of the images change.
    changed, change = dataset[change.notna()], change[change.notna()]
    at, reasons = changed["image_id"], current.assign(why=_reasons(current))
    by_decision = change.isin(["dropped", "relabelled"])
    why = lookup.values(at, reasons, "why").astype("str")
    why = why.where(by_decision, changed["read_error"].where(change.eq("unreadable"), "no label"))
    changes = pd.DataFrame(
        {
            "image_id": at,
            "change": change,
            "from_label": changed["label"],
            "to_label": label[at.index].where(~gone[at.index]),
            "why": why,
            "reviewer": lookup.values(at, current, "reviewer").astype("str").where(by_decision),
        }
    )
    return cleaned, changes.sort_values("image_id", ignore_index=True)[list(CHANGES)]


def _reasons(current: pd.DataFrame) -> pd.Series:
    """The reason of each decision: the checks that were confirmed, and the note."""
    checks = current["confirmed"].str.replace(";", ", ").fillna("")
    note = current["note"].fillna("")
    both = checks + (": " + note).where((checks != "") & (note != ""), note)
    return both.where(both != "", "decided")
