"""Manifests whose images have several classes each: another task, and one sentence says so."""

from __future__ import annotations

import pandas as pd

from imageclinic.core.naming.wording import few, shown

SENTENCE = (
    "where images have several classes at once (multi-label), join their names in one column and name what separates "
    "them: --label-separator '|', in Python label_separator='|'"
)
#: What separates the names of several classes in one cell.
_SEPARATORS = ("|", ";", ",")
#: So many different combinations, of whose parts such a share comes again, are no names of single classes.
_COMBINATIONS, _AGAIN = 3, 0.8


def indicators(table: pd.DataFrame) -> list[str]:
    """Names of the columns that hold 0 and 1 and nothing else, if there are several: one for each class."""
    names = []
    for name in table.columns[~table.columns.duplicated(keep=False)]:
        try:
            values = {str(value) for value in table[name].unique()}
        except TypeError:  # lists and records
            continue
        if values <= {"0", "1", "0.0", "1.0", "True", "False"} and values:
            names.append(str(name))
    return names if len(names) > 1 else []


def in_cells(labels: pd.Series) -> str | None:
    """A warning where labels look like several names in one cell (``cat|dog``, ``cat|owl``, ``dog``); else None.

    Args:
        labels: of all images, nullable.
    """
    names = labels.value_counts()
    for separator in _SEPARATORS:
        parts = {name: {p.strip() for p in str(name).split(separator)} for name in names.index}
        several = [name for name, some in parts.items() if len(some) > 1]
        if len(several) < _COMBINATIONS:
            continue
        count = pd.Series([part for some in parts.values() for part in some]).value_counts()
        of_several = sorted({part for name in several for part in parts[name]})
        if (count[of_several] > 1).mean() >= _AGAIN:
            some = few([shown(str(name)) for name in several])
            return (
                f"WARNING: {int(names[several].sum()):,} images have labels like several classes in one: {some}. Each "
                f"combination counts as a class of its own here; {SENTENCE}"
            )
    return None
