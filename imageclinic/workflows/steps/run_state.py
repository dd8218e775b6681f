"""What is known of a run when something is decided, exported or compared: its tables and its decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from imageclinic.cleaning.decisions import decision_log, survivors
from imageclinic.cleaning.decisions.policies import policy
from imageclinic.core import tables
from imageclinic.core.naming import label_sets
from imageclinic.core.run import Run, open_run

#: The columns of the dataset that a policy decides by.
OF_POLICY = (
    *("image_id", "label", "sha256", "read_error", "split"),
    *("bytes", "width", "height"),
)


#: The columns of the dataset that decisions are applied to, and that heads are fitted by.
OF_APPLIED = ("image_id", "label", "sha256", "read_error", "split")


@dataclass(frozen=True)
class State:
    """A run's tables, its decision log, and what the log says now."""

    run: Run
    dataset: pd.DataFrame
    clusters: pd.DataFrame
    splits: pd.DataFrame
    issues: pd.DataFrame
    log: pd.DataFrame
    current: pd.DataFrame


def load(run: str | Path, of_dataset: Sequence[str] | None = None, of_issues: Sequence[str] | None = None) -> State:
    """Read what decisions are made from.

    Args:
        run: an audited run.
        of_dataset: the columns of the dataset to read, at least image_id, label, sha256 and read_error; None: all.
        of_issues: the columns of the issues to read, at least image_id; None: all.

    Raises:
        InputError: the run was not audited.
    """
    opened = open_run(Path(run))
    dataset = opened.read(tables.DATASET, of_dataset)
    log = decision_log.read(opened.decisions)
    current = decision_log.current(log, dataset)
    if (separator := opened.info().get(label_sets.KEY)) is not None:
        current["label"] = label_sets.in_order(current["label"], separator)
    return State(
        opened,
        dataset,
        opened.read_beside(dataset, tables.CLUSTERS),
        opened.read_beside(dataset, tables.SPLIT_TABLE),
        opened.read_beside(dataset, tables.ISSUES, of_issues),
        log,
        current,
    )


def propose(
    state: State,
    accept: Mapping[str, float],
    name: str,
    *,
    include_test: bool = False,
    include_conflicts: bool = False,
) -> pd.DataFrame:
    """What a policy would decide now: events for the log; see `cleaning.decisions.policies.policy.policy_events`."""
    return policy.policy_events(
        accept,
        name=name,
        dataset=state.dataset,
        issues=state.issues,
        clusters=state.clusters,
        features=state.run.read_beside(state.dataset, tables.FEATURES, ["image_id", "sharpness", "pixel_hash"]),
        splits=state.splits,
        current=state.current,
        checks=[o["check"] for o in state.run.info().get("outcomes", [])],
        include_test=include_test,
        include_conflicts=include_conflicts,
    )


def proposed_survivors(state: State) -> pd.DataFrame:
    """The copy of each cluster that is proposed to stay, given what was decided so far."""
    features = state.run.read_beside(state.dataset, tables.FEATURES, ["image_id", "sharpness"])
    return survivors.choose(state.dataset, features, state.clusters, state.splits, state.current)
