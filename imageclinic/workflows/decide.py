"""Decisions without the App, and how far the review is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from imageclinic.cleaning.decisions import decision_log, import_decisions, policy, survivors
from imageclinic.cleaning.trust import estimates, trust_summary
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.run import Run, open_run


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


def load(run: str | Path) -> State:
    """Read what decisions are made from. Raises InputError when the run was not audited."""
    opened = open_run(Path(run))
    dataset = opened.read(tables.DATASET)
    log = decision_log.read(opened.decisions)
    return State(
        opened,
        dataset,
        opened.read(tables.CLUSTERS),
        opened.read(tables.SPLIT_TABLE),
        opened.read(tables.ISSUES),
        log,
        decision_log.current(log, dataset),
    )


def decide(
    run: str | Path,
    *,
    accept: Sequence[str] = (),
    policy_file: str | Path | None = None,
    source: str | Path | None = None,
    undo: bool = False,
    every: bool = False,
    reviewer: str = "",
    dry_run: bool = False,
) -> pd.DataFrame:
    """Decide without the App; returns the events that were (or, in a dry run, would be) appended to the log.

    Exactly one of these:

    Args:
        accept: findings to accept as right, ``CHECK`` or ``CHECK:SCORE``; written as ``policy:accept``.
        policy_file: a YAML file with ``name`` and ``accept``.
        source: a CSV file with image_id, decision and label.
        undo: take back the last batch of `reviewer` (default: of ``policy:accept``).
        every: with `undo`, all that `reviewer` decided, such as a whole policy.
        reviewer: whose decisions these are, for `source` and `undo`.
        dry_run: write nothing.

    Raises:
        InputError: none or several of these; unknown checks; bad rows.
    """
    given = [bool(accept), policy_file is not None, source is not None, undo]
    if sum(given) != 1:
        raise InputError("what to decide?", expected="one of --accept, --policy, --from and --undo")
    if every and not undo:
        raise InputError("--all takes back everything that a reviewer decided", expected="--undo --all")
    state = load(run)
    path = state.run.decisions
    if undo:
        if dry_run:
            raise InputError("--undo has no dry run", fix="undo, and decide again if that was wrong")
        who = reviewer or f"{decision_log.POLICY}accept"
        images = decision_log.undo_batch(path, who, every=every)
        log = decision_log.read(path)
        return log[log["image_id"].isin(images) & log["decision"].eq("undo")].drop_duplicates("image_id", keep="last")
    if source is not None:
        if dry_run:
            raise InputError("--from has no dry run", fix="import, and take it back with --undo --reviewer NAME")
        if not reviewer:
            raise InputError("decisions from a file need a reviewer", fix="name one with --reviewer")
        return import_decisions.import_csv(Path(source), path, state.dataset, reviewer, state.issues)
    if policy_file is not None:
        name, accepted = policy.load(Path(policy_file))
    else:
        name, accepted = "accept", policy.parse_accept(accept)
    events = propose(state, accepted, name)
    return events if dry_run or events.empty else decision_log.append(path, events)


def propose(state: State, accept: Mapping[str, float], name: str) -> pd.DataFrame:
    """What a policy would decide now: events for the log."""
    return policy.policy_events(
        accept,
        name=name,
        dataset=state.dataset,
        issues=state.issues,
        clusters=state.clusters,
        features=state.run.read(tables.FEATURES),
        splits=state.splits,
        current=state.current,
        checks=[o["check"] for o in state.run.info().get("outcomes", [])],
    )


def new_classes(run: str | Path, events: pd.DataFrame) -> list[str]:
    """The labels that these events give and no image of the dataset came with: new classes, or slips of the pen."""
    given = open_run(Path(run)).read(tables.DATASET)["label"]
    return sorted(set(events["label"].dropna()) - set(given.dropna()))


def class_counts(run: str | Path, events: pd.DataFrame) -> pd.DataFrame:
    """Images of each class before and after events that are not written yet (see `decide`'s dry run).

    Returns:
        label, before, after, change; the classes that change only, the most changed first.
    """
    from imageclinic.cleaning.decisions import apply

    state = load(run)
    counts = {
        name: apply.apply(state.dataset, current)[0]["label"].value_counts()
        for name, current in (("before", state.current), ("after", policy.after(state.current, events)))
    }
    table = pd.DataFrame(counts).fillna(0).astype("int64").rename_axis("label").reset_index()
    table["change"] = table["after"] - table["before"]
    order = table["change"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].query("change != 0").reset_index(drop=True)


def proposed_survivors(state: State) -> pd.DataFrame:
    """The copy of each cluster that is proposed to stay, given what was decided so far."""
    features = state.run.read(tables.FEATURES)
    return survivors.choose(state.dataset, features, state.clusters, state.splits, state.current)


def status(run: str | Path, *, stop_below: float | None = None) -> dict[str, Any]:
    """How far the review is, how far its flags can be trusted, and whether it may stop.

    Args:
        run: an audited run.
        stop_below: remember for this run that a review stops where fewer than so many of the next 100 flags are right.

    Returns:
        ``images, flagged, flagged_decided, decided, disputed, stale``, ``decisions`` (counts by kind), ``stop_below``,
        ``checks``: one record per check with findings, see `cleaning.trust.estimates.by_check`; ``unflagged``: see
        `cleaning.trust.estimates.unflagged`; ``words``: what these two say, a few lines a check; and ``label_noise``: see
        `workflows.steps.predictions.label_noise`.

    Raises:
        InputError: the run was not audited, or `stop_below` is not above 0, up to 100.
    """
    state = load(run)
    if stop_below is not None:
        trust_summary.set_worth(state.run, stop_below)
    worth = trust_summary.worth(state.run)
    flagged = set(state.issues["image_id"].dropna())
    decided = state.current[state.current["decision"].notna()]
    by_check = estimates.by_check(state.issues, state.log, state.dataset, worth)
    unflagged = estimates.unflagged(state.issues, state.log, state.dataset)
    return {
        "run": str(state.run.path),
        "images": len(state.dataset),
        "flagged": len(flagged),
        "flagged_decided": len(flagged & set(decided["image_id"])),
        "decided": len(decided),
        "disputed": sorted(state.current.loc[state.current["disputed"], "image_id"]),
        "stale": len(decision_log.stale(state.log, state.dataset)),
        "decisions": {str(k): int(v) for k, v in decided["decision"].value_counts().sort_index().items()},
        "stop_below": worth,
        "checks": by_check.astype(object).where(by_check.notna(), None).to_dict("records"),
        "unflagged": unflagged,
        "words": trust_summary.lines(by_check, unflagged, worth),
        "label_noise": state.run.info().get("label_noise"),
    }
