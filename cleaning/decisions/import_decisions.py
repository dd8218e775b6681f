"""Decisions from a CSV file that was written by hand or by another tool: all of it is right, or nothing is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from imageclinic.cleaning.decisions import batches, decision_log, log_file, priority
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.naming import label_sets
from imageclinic.core.naming.wording import few

TABLE = tables.DECISION_LOG
_NEEDED = ("image_id", "decision")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def import_csv(
    file: Path,
    log_path: Path,
    dataset: pd.DataFrame,
    reviewer: str,
    issues: pd.DataFrame | None = None,
    label_separator: str | None = None,
) -> pd.DataFrame:
    """Append the decisions in `file`, a CSV with at least the columns image_id and decision.

    Any other column of the log may be there. Null cells are filled: reviewer by `reviewer`; sha256 and
    given_label from `dataset`; confirmed and rejected, where both are null, as a decision in the App would
    (`findings.spoken_about`); the rest as `decisions.append` does. Rows whose decision_id is in the log already are
    left out, so that a log can be imported again.

    Args:
        file: the CSV file.
        log_path: the run's decision log.
        dataset: tables.DATASET.
        reviewer: who decided, where the file does not say.
        issues: tables.ISSUES; without it confirmed and rejected stay as they are.
        label_separator: what separates the classes of a label, where images may have several.

    Returns:
        The rows as written.

    Raises:
        InputError: naming every bad row with its line, column and value (the first hundred); nothing is
            written.
    """
    try:
        rows, lines, _ = log_file.read_rows(file, torn=False)
    except OSError as error:
        raise InputError(f"can't read {file}: {error.strerror}", expected="a CSV file of decisions") from error
    _check_header(file, list(rows.columns))
    return record(rows, [f"line {line}" for line in lines], file, log_path, dataset, reviewer, issues, label_separator)


def record(
    rows: pd.DataFrame,
    places: Sequence[str],
    file: Path,
    log_path: Path,
    dataset: pd.DataFrame,
    reviewer: str,
    issues: pd.DataFrame | None = None,
    label_separator: str | None = None,
) -> pd.DataFrame:
    """Append decisions that were read from `file`, as `import_csv` does.

    Args:
        rows: at least image_id and decision, as text.
        places: where each row stands in the file, such as ``line 7``, for messages.
        file, log_path, dataset, reviewer, issues, label_separator: see `import_csv`.
    """
    if rows.empty:
        raise InputError(f"no decisions in {file}", expected="at least one")
    from_log = "decision_id" in rows
    rows = rows.reindex(columns=list(dict.fromkeys([*rows.columns, "reviewer", "label", "sample", "inclusion_prob"])))
    rows = rows.astype("str")
    if label_separator is not None:
        rows["label"] = label_sets.in_order(rows["label"], label_separator)
    rows = rows.assign(reviewer=rows["reviewer"].fillna(reviewer), sample=rows["sample"].fillna("ranked"))
    known = dataset.set_index("image_id")
    for name, source in (("sha256", "sha256"), ("given_label", "label")):
        found = rows["image_id"].map(known[source]).astype("str")
        rows[name] = rows[name].fillna(found) if name in rows else found
    problems = log_file.find_problems(rows) + _more_problems(rows, dataset, places, from_log=from_log)
    if problems:
        problems.sort(key=lambda problem: problem.row)
        named = [f"{places[p.row]}, {p.column} {p.value!r}: expected {p.expected}" for p in problems]
        raise InputError(
            f"bad rows in {file}: {few(named, log_file.NAMED, '; ')}", fix="fix these rows; nothing was recorded"
        )
    if issues is not None:
        rows = _spoken(rows, issues)
    with log_file.locked(log_path):
        if from_log:
            rows = rows[
                ~rows["decision_id"].isin(decision_log.read(log_path)["decision_id"]) | rows["decision_id"].isna()
            ]
        if rows.empty:
            return tables.empty(TABLE)
        full = decision_log.filled(rows, str(file))
        batches.append(log_path, full)
    return full


def _check_header(file: Path, names: list[str]) -> None:
    expected = f"{' and '.join(_NEEDED)}; optional: {', '.join(n for n in TABLE.names if n not in _NEEDED)}"
    missing = [name for name in _NEEDED if name not in names]
    unknown = [name for name in names if name not in TABLE.names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if missing and len(names) == 1:
        for separator, called in _SEPARATORS.items():
            if separator in names[0]:
                raise InputError(
                    f"bad header in {file}, line 1: its columns are separated by {called}",
                    expected="columns separated by commas",
                )
    faults = [
        f"{what} {', '.join(repr(name) for name in found)}"
        for what, found in (("no column", missing), ("unknown column", unknown), ("twice the column", twice))
        if found
    ]
    if faults:
        raise InputError(f"bad header in {file}, line 1: {'; '.join(faults)}", expected=expected)


def _more_problems(
    rows: pd.DataFrame, dataset: pd.DataFrame, places: Sequence[str], *, from_log: bool
) -> list[log_file.Problem]:
    """What `logfile.find_problems` can't know: images that are not there, and what contradicts itself."""
    found: list[log_file.Problem] = []

    def report(mask: pd.Series, column: str, expected: str | pd.Series) -> None:
        for at in np.flatnonzero(mask.fillna(False).to_numpy(bool)):
            value = rows[column].iloc[at]
            wanted = expected if isinstance(expected, str) else str(expected.iloc[at])
            found.append(log_file.Problem(int(at), column, "" if pd.isna(value) else str(value), wanted))

    image = rows["image_id"]
    lost = image.notna() & decision_log.targets(rows, dataset).isna()
    report(lost, "image_id", "an image of this run, unchanged since, by its path relative to the dataset's root")
    report(rows["label"].notna() & rows["decision"].ne("relabel"), "label", "no label, for it is not relabelled")
    random = rows["sample"].eq("random") & rows["inclusion_prob"].isna()
    report(random, "inclusion_prob", "the probability with which this random image was drawn")
    if not from_log:  # a log says in which order its events came
        pair = image + "/" + rows["reviewer"]
        first = pd.Series(list(places), index=rows.index, dtype="str").groupby(pair).transform("first")
        report(pair.duplicated(), "image_id", "one decision an image; " + first + " decides it too")
    return found


def _spoken(rows: pd.DataFrame, issues: pd.DataFrame) -> pd.DataFrame:
    """With the checks that each decision confirms and rejects, where the file says neither."""
    rows = rows.reindex(columns=list(dict.fromkeys([*rows.columns, "confirmed", "rejected"])))
    about = issues[issues["image_id"].isin(rows["image_id"])]
    flagged = {str(image): part for image, part in about.groupby("image_id")}
    answers = []
    for row in rows.astype(object).where(rows.notna(), None).to_dict("records"):
        image, decision = str(row["image_id"]), str(row["decision"])
        if image in flagged and row["confirmed"] is None and row["rejected"] is None:
            actual = "keep" if decision == "relabel" and row["label"] == row["given_label"] else decision
            answers.append([";".join(names) or None for names in priority.spoken_about(actual, flagged[image])])
        else:
            answers.append([row["confirmed"], row["rejected"]])
    rows[["confirmed", "rejected"]] = pd.DataFrame(answers, index=rows.index, dtype="str")
    return rows
