"""Images whose right answer is known: from a file, or because persons agreed about them without seeing each other's
answer first."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from imageclinic.cleaning.decisions import decision_log, log_file
from imageclinic.cleaning.reviewers import double_review
from imageclinic.core.errors import InputError
from imageclinic.core.naming.wording import few
from imageclinic.core.reading.hashing import text_digest

_COLUMNS = "columns image_id and label (empty: the image belongs to no class)"


def read_file(file: Path, dataset: pd.DataFrame) -> dict[str, str | None]:
    """image_id → right label, null for an image of no class; from a CSV file with columns image_id and label.

    A file of decisions does, too: where its column ``decision`` says keep or drop, the label is the given one, or none.

    Raises:
        InputError: no such file, columns or rows; an image or a label that the dataset does not have.
    """
    try:
        rows, _, _ = log_file.read_rows(file, torn=False)
    except OSError as error:
        raise InputError(f"can't read {file}: {error.strerror}", expected=f"a CSV file with {_COLUMNS}") from error
    if not {"image_id", "label"} <= set(rows.columns) or rows.empty:
        raise InputError(f"{file} names no images with a known answer", expected=_COLUMNS)
    given = dataset.set_index("image_id")["label"]
    unknown = rows.loc[~rows["image_id"].isin(given.index), "image_id"].fillna("").tolist()
    if unknown:
        raise InputError(f"{file}: no images of the run: {few(unknown, 10)}", expected="ids of dataset.parquet")
    label = rows["label"]
    if "decision" in rows:
        label = label.mask(rows["decision"].eq("keep"), rows["image_id"].map(given)).mask(rows["decision"].eq("drop"))
    strange = sorted(set(label.dropna()) - set(given.dropna()))
    if strange:
        raise InputError(f"{file}: no classes of the dataset: {few(strange, 10)}", expected="given labels, or nothing")
    return {str(name): None if pd.isna(one) else str(one) for name, one in zip(rows["image_id"], label, strict=True)}


def answers(gold: Mapping[str, str | None], log: pd.DataFrame, dataset: pd.DataFrame) -> dict[str, str]:
    """image_id → the right answer: keep, drop, or ``relabel to`` a label.

    Args:
        gold: image_id → right label, see `read_file`; it outranks what persons agreed about.
        log: tables.DECISION_LOG. Two persons or more whose first answers are alike, as is what holds now, are right.
        dataset: tables.DATASET.
    """
    first = decision_log.first_answers(log, dataset).groupby("image_id")["answer"]
    agreed = first.first()[first.nunique().eq(1) & first.size().ge(double_review.PERSONS)]
    current = decision_log.current(log, dataset).set_index("image_id")
    relabel = "relabel to " + current["label"].astype("str")
    now = current["decision"].mask(current["decision"].eq("relabel"), relabel)
    agreed = agreed[agreed.eq(now.reindex(agreed.index))]
    given = dataset.set_index("image_id")["label"]
    known = {
        name: "drop" if label is None else "keep" if label == given.get(name) else f"relabel to {label}"
        for name, label in gold.items()
        if name in given.index
    }
    return {**{str(name): str(answer) for name, answer in agreed.items()}, **known}


def candidates(
    right: Collection[str],
    reviewer: str,
    log: pd.DataFrame,
    current: pd.DataFrame,
    *,
    judged: Collection[str],
    copies: Collection[str],
    sample: Collection[str],
    two_reviewers: Collection[str],
) -> list[str]:
    """The images that may be mixed into a reviewer's queue, those that this reviewer has not decided about first.

    Without copies (deciding about one decides about others), what this reviewer has judged as gold, what persons
    disagree about, and what a person's decision is still needed about: images of the random sample that nobody decided
    about, and images that wait for a second person.

    Args:
        right: the images whose answer is known.
        reviewer: whose queue it is.
        log, current: tables.DECISION_LOG, and what it says, see `decision_log.current`.
        judged, copies, sample, two_reviewers: images, see above.
    """
    persons = double_review.answering_persons(current)
    needed = (set(sample) - set(persons.index)) | (
        set(two_reviewers) - set(persons[persons >= double_review.PERSONS].index)
    )
    disputed = set(current.loc[current["disputed"], "image_id"])
    mine = set(log.loc[log["reviewer"].eq(reviewer), "image_id"])
    left = set(right) - set(judged) - set(copies) - needed - disputed
    return sorted(left, key=lambda name: (name in mine, text_digest(f"{reviewer} {name}", 8)))
