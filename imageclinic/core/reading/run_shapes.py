"""What run.json and the other small JSON files of a run hold, as shapes for `core.reading.json_files`."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from imageclinic.core.reading.json_files import Count, Number, Share


class Marker(TypedDict):
    """.imageclinic-run."""

    format: int


class Outcome(TypedDict):
    """What came of one check."""

    check: str
    outcome: Literal["found", "clean", "not_applicable", "skipped", "failed"]
    n_issues: Count
    reason: str
    seconds: Number
    options: dict[str, Any]


class LabelNoise(TypedDict, total=False):
    """What the model makes of the labels; see `workflows.steps.auditing.label_noise`."""

    established: bool
    low: Share | None
    high: Share | None
    accuracy: Share | None
    share: Share
    by_split: dict[str, Share]
    splits: dict[str, dict[str, Share | bool | None]]
    shifted: list[str]
    ceiling_low: Share | None
    ceiling: Share | None
    by_class: dict[str, Share]
    classes: list[str]
    matrix: list[list[Number]]
    calibrated: bool
    meaning: str


class VerdictLine(TypedDict):
    """One line of the verdict; see `audit.verdict.line`."""

    cause: str
    severity: Share
    sentence: str
    consequence: str
    command: str
    checks: list[str]


class Listing(TypedDict, total=False):
    """What was listed, and left out, in the lines that an audit begins with."""

    in_words: list[str]


class Annotator(TypedDict):
    """How good an annotator is; see `workflows.steps.auditing.annotator_consensus`."""

    annotator: str
    labels: Count
    agreement: Share
    quality: Share
    low: Share
    high: Share
    confusion: list[Any] | None


class Arguments(TypedDict, total=False):
    """Of the arguments of an audit what is read again."""

    data: str


class Info(TypedDict, total=False):
    """What is read of run.json. An audit that is under way has written a part of it."""

    root: str
    manifest: bool
    packed: str | None
    seed: Count
    key: str | None
    source: str
    listing: Listing
    arguments: Arguments
    label_noise: LabelNoise | None
    annotators: list[Annotator]
    outcomes: list[Outcome]
    verdict: list[VerdictLine]
    notes: list[str]
