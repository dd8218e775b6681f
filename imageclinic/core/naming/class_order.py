"""The order of classes, which gives them their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from imageclinic.core.rows import lookup

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def are_numbers(labels: Iterable[str]) -> bool:
    """Whether all labels are numbers, as digits and years are."""
    return all(_NUMBER.fullmatch(label) for label in labels)


def in_order(labels: Iterable[str]) -> list[str]:
    """Distinct labels: numbers by their value ("2" before "10"), where all are numbers; else by their characters."""
    every = sorted(set(labels))
    return sorted(every, key=float) if are_numbers(every) else every


def of_manifest(manifest: pd.DataFrame) -> list[str] | None:
    """The classes of an export in the order of their numbers; None for an export of a version that did not write
    them into its manifest."""
    if "class_index" not in manifest or manifest["class_index"].isna().any() or manifest.empty:
        return None
    _, first = lookup.kinds(manifest["class_index"], manifest["label"])
    each = manifest[["class_index", "label"]].iloc[first]
    return each.sort_values("class_index", kind="stable")["label"].drop_duplicates().tolist()
