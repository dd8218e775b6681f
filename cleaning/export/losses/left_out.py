"""What an export leaves out, by class, and the classes of which nothing is left. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from imageclinic.core.errors import InputError
from imageclinic.core.naming import label_sets
from imageclinic.core.naming.wording import few
from imageclinic.core.schema import POLICY

#: Kind of change → why an image is left out.
REASONS = {
    "unreadable": "can't be decoded",
    "dropped": "dropped by a decision",
    "unlabelled": "without a label",
}


@dataclass(frozen=True)
class LeftOut:
    """`counts`: kind of change → class → images ("" where there is no label). `lost`: class → its files, for classes
    that the dataset has and the export has not, though not all their images were relabelled. `unasked`: those of them
    of which some images were not dropped by a person."""

    counts: Mapping[str, Mapping[str, int]]
    lost: Mapping[str, int]
    unasked: Sequence[str]

    def notes(self) -> list[str]:
        """Sentences for the screen and for DATASET.md."""
        sentences = [
            f"{sum(classes.values()):,} images are left out, {REASONS[kind]}"
            + (f": {_list({name: n for name, n in classes.items() if name})}." if any(classes) else ".")
            for kind, classes in self.counts.items()
        ]
        if self.lost:
            sentences.append(f"Classes of which no image is left: {_list(self.lost)}.")
        return sentences

    def refusal(self) -> InputError | None:
        """Why these classes may not be lost without being asked for; None when they may."""
        if not self.unasked:
            return None
        unreadable = sum(self.counts.get("unreadable", {}).get(name, 0) for name in self.unasked)
        why = f" ({unreadable:,} of them can't be decoded)" if unreadable else ""
        return InputError(
            f"no image is left of {_list({name: self.lost[name] for name in self.unasked})} images{why}",
            expected="at least one image of every class",
            fix="convert or fix these files and audit again, take decisions back with imageclinic decide --undo, or "
            "export without these classes: --allow-lost-classes (export(allow_lost_classes=True))",
        )

    def facts(self) -> dict[str, Any]:
        """For export.json."""
        return {
            "counts": {kind: dict(classes) for kind, classes in self.counts.items()},
            "lost_classes": list(self.lost),
        }


def of(
    dataset: pd.DataFrame, cleaned: pd.DataFrame, changes: pd.DataFrame, label_separator: str | None = None
) -> LeftOut:
    """What is left out.

    Args:
        dataset: tables.DATASET.
        cleaned, changes: see `cleaning.decisions.apply.apply`.
        label_separator: of label sets, which are counted as they are; lost are classes.
    """
    gone = changes[changes["change"].isin(list(REASONS))]
    label = gone["from_label"].fillna("")
    counts = {
        kind: {
            str(name): int(n) for name, n in label[gone["change"] == kind].value_counts(sort=False).sort_index().items()
        }
        for kind in REASONS
        if (gone["change"] == kind).any()
    }
    dataset, cleaned = (label_sets.by_class(table, label_separator) for table in (dataset, cleaned))
    gone = label_sets.by_class(gone, label_separator, "from_label")
    label = gone["from_label"].fillna("")
    given = dataset["label"].dropna()
    missing = sorted((set(given.unique()) - set(cleaned["label"].unique())) & set(label))
    by_person = gone["change"].eq("dropped") & ~gone["reviewer"].fillna(POLICY).str.startswith(POLICY)
    unasked = [name for name in missing if not by_person[(label == name).to_numpy()].all()]
    return LeftOut(counts, {name: int((given == name).sum()) for name in missing}, unasked)


def _list(counts: Mapping[str, int]) -> str:
    """The largest first."""
    shown = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return few([f"{name!r} {n:,}" for name, n in shown])
