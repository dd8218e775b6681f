"""What the report draws of comparison.json, diagnosis.json and tuning.json, as shapes for `core.reading.json_files`."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from imageclinic.core.reading.json_files import Count, Number, Share

Value = Number | str | bool


class Scores(TypedDict):
    """One arm's scores under one set of labels: a number a seed."""

    accuracy: Annotated[list[Share], Field(min_length=1)]
    macro_f1: Annotated[list[Share], Field(min_length=1)]


class Arm(TypedDict):
    """One arm of a comparison."""

    n_train: Count
    n_val: NotRequired[Count]
    original: NotRequired[Scores]
    reviewed: NotRequired[Scores]


class Delta(TypedDict):
    """A difference of accuracies with its interval, where there is one."""

    estimate: Number | None
    low: Number | None
    high: Number | None


class Leak(TypedDict):
    """What copies of test images in training do to accuracy."""

    sentences: list[str]


class Step(TypedDict):
    """One thing that cleaning did."""

    sentence: str


class Comparison(TypedDict):
    """comparison.json."""

    verdict: str
    arms: dict[str, Arm]
    delta: dict[str, dict[str, Delta]]
    baseline: NotRequired[str]
    leak: NotRequired[Leak | None]
    steps: NotRequired[list[Step]]
    n_test: NotRequired[Count]
    seeds: NotRequired[list[Count] | Count]
    power_hint: NotRequired[str]
    notes: NotRequired[list[str]]


class Effect(TypedDict):
    """What a change did to accuracy."""

    cause: str
    gain: Number | None
    low: Number | None
    high: Number | None
    evidence: str
    remedy: str


class Cause(TypedDict):
    """A cause with its estimated gain, in points."""

    cause: str
    estimated_gain: Number | None
    low: Number | None
    high: Number | None
    evidence: str
    remedy: str


class Experiment(TypedDict):
    """One experiment."""

    question: str
    answer: str
    effects: list[Effect]


class Images(TypedDict):
    """How many images there were."""

    train: Count
    val: Count


class Diagnosis(TypedDict):
    """diagnosis.json, format 2."""

    verdict: str
    causes: list[Cause]
    experiments: dict[str, Experiment]
    not_tested: dict[str, str]
    images: Images
    seeds: list[Count]
    notes: NotRequired[list[str]]


class Trial(TypedDict):
    """One trial of a search."""

    trial: Count
    state: str
    val_accuracy: Number | None
    options: dict[str, Value]
    reason: str


class MatterShare(TypedDict):
    """How much a hyperparameter matters."""

    name: str
    share: Number
    low: Number
    high: Number
    chance: Number


class Importance(TypedDict):
    """What mattered."""

    shares: list[MatterShare]


class Tuning(TypedDict):
    """tuning.json."""

    trials: list[Trial]
    space: dict[str, dict[str, Any]]
    words: list[str]
    importance: Importance
    counts: dict[str, Count]
    command: str
