"""What causes judge, and the lines that they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from imageclinic.core.naming import label_sets

#: Stands for the run folder in a line's command: a run may be moved.
RUN = "RUN"


@dataclass(frozen=True)
class Line:
    """One thing that matters.

    `cause`: name of its file in `causes`. `severity`: in [0, 1], by how much accuracy it can distort. `sentence`: what
    was found, in numbers. `consequence`: what follows for whoever trains on the data. `command`: what to do next, with
    `RUN` for the run folder. `checks`: names of the checks whose findings these are.
    """

    cause: str
    severity: float
    sentence: str
    consequence: str
    command: str
    checks: Sequence[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For run.json."""
        return {**asdict(self), "severity": round(self.severity, 4), "checks": list(self.checks)}


@dataclass(frozen=True)
class Facts:
    """What an audit knows. `splits` are the frozen ones: the dataset's own, or those that the audit drew;
    `label_noise` as in run.json, None where no labels were predicted; `label_separator` of label
    sets, where images may have several classes."""

    dataset: pd.DataFrame
    neighbors: pd.DataFrame
    clusters: pd.DataFrame
    splits: pd.DataFrame
    issues: pd.DataFrame
    outcomes: Sequence[Mapping[str, Any]]
    label_noise: Mapping[str, Any] | None = None
    label_separator: str | None = None

    def found(self, *checks: str) -> pd.DataFrame:
        """The findings of these checks."""
        return self.issues[self.issues["check"].isin(checks)]

    @cached_property
    def readable(self) -> pd.DataFrame:
        """The images that can be decoded: image_id and label."""
        return self.dataset.loc[self.dataset["read_error"].isna(), ["image_id", "label"]]

    @cached_property
    def own_splits(self) -> pd.Series:
        """The split of each image that the dataset itself put into one."""
        return self.dataset["split"].dropna()

    @cached_property
    def test(self) -> pd.Series:
        """Ids of the test images, the dataset's own or those that the audit drew."""
        return self.splits.loc[self.splits["split"] == "test", "image_id"]

    @cached_property
    def sizes(self) -> pd.Series:
        """Readable images of each class, the largest first."""
        return label_sets.by_class(self.readable, self.label_separator)["label"].dropna().value_counts()

    def share(self, images: int) -> float:
        """So many images as a share of all."""
        return images / max(1, len(self.dataset))


def number(n: int, noun: str, plural: str = "") -> str:
    """A count with its noun: "1 image", "1,200 images"."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """A share as people read it: no digits that mean nothing, and never 0 % or 100 % of what is neither."""
    if 0 < share < 0.0005 or 0.9995 < share < 1:
        return "less than 0.1 %" if share < 0.5 else "over 99.9 %"
    if share and (share < 0.0095 or share > 0.99) and share != 1:
        return f"{100 * share:.1f} %"
    return f"{100 * share:.0f} %"
