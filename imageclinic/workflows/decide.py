"""Decisions without the App: by a policy, from a file, or taken back."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from imageclinic.cleaning.decisions import annotation_tools, decision_log, import_decisions, label_ranking
from imageclinic.cleaning.decisions.policies import policy
from imageclinic.cleaning.decisions.policies.policy_file import load as read_policy
from imageclinic.cleaning.review.dataset import kept_rows
from imageclinic.core import tables
from imageclinic.core.errors import CanNotWrite, InputError
from imageclinic.core.naming import label_sets
from imageclinic.core.rows import lookup
from imageclinic.core.run import open_run
from imageclinic.core.schema import POLICY
from imageclinic.workflows.steps.run_state import OF_POLICY, State, load, propose


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
    include_test: bool = False,
    include_conflicts: bool = False,
) -> pd.DataFrame:
    """Decide without the App; returns the events that were (or, in a dry run, would be) appended to the log.

    Exactly one of these:

    Args:
        accept: findings to accept as right, ``CHECK`` or ``CHECK:SCORE``; written as ``policy:accept``.
        policy_file: a YAML file with ``name`` and ``accept``.
        source: a CSV file with image_id, decision and label; or the tasks of ``review(tasks=…)``, answered and exported
            by Label Studio (.json) or CVAT (.xml).
        undo: take back the last batch of `reviewer` (default: of ``policy:accept``).
        every: with `undo`, all that `reviewer` decided, such as a whole policy.
        reviewer: whose decisions these are, for `source` and `undo`.
        dry_run: write nothing.
        include_test: a policy decides about test images, too.
        include_conflicts: a policy decides about copies under different labels, too.

    Raises:
        InputError: none or several of these; unknown checks; bad rows.
    """
    given = [bool(accept), policy_file is not None, source is not None, undo]
    if sum(given) != 1:
        raise InputError("what to decide?", expected="one of --accept, --policy, --from and --undo")
    if every and not undo:
        raise InputError("--all takes back everything that a reviewer decided", expected="--undo --all")
    state = load(run, OF_POLICY)
    path = state.run.decisions
    if undo:
        if dry_run:
            raise InputError("--undo has no dry run", fix="undo, and decide again if that was wrong")
        who = reviewer or f"{POLICY}accept"
        images = decision_log.undo_batch(path, who, every=every)
        log = decision_log.read(path)
        return log[log["image_id"].isin(images) & log["decision"].eq("undo")].drop_duplicates("image_id", keep="last")
    if source is not None:
        written = _imported(state, Path(source), reviewer, dry_run=dry_run)
    else:
        name, accepted = _policy(accept, policy_file)
        events = propose(state, accepted, name, include_test=include_test, include_conflicts=include_conflicts)
        if dry_run or events.empty:
            return events
        written = decision_log.append(path, events)
    # The decisions are written: that the next opening is slower, where this can't be, is no error.
    with contextlib.suppress(CanNotWrite):
        kept_rows.keep_decided(state.run)
    return written


def _imported(state: State, source: Path, reviewer: str, *, dry_run: bool) -> pd.DataFrame:
    """Record the decisions in a file."""
    if dry_run:
        raise InputError("--from has no dry run", fix="import, and take it back with --undo --reviewer NAME")
    separator, path = state.run.info().get(label_sets.KEY), state.run.decisions
    labels = dict(zip(state.dataset["image_id"], state.dataset["label"], strict=True))
    annotated = annotation_tools.read(source, labels)
    if not reviewer and (annotated is None or annotated[0]["reviewer"].isna().any()):
        raise InputError("decisions from a file need a reviewer", fix="name one with --reviewer")
    if annotated is not None:
        rows, places = annotated
        return import_decisions.record(rows, places, source, path, state.dataset, reviewer, state.issues, separator)
    return import_decisions.import_csv(source, path, state.dataset, reviewer, state.issues, separator)


def _policy(accept: Sequence[str], policy_file: str | Path | None) -> tuple[str, dict[str, float]]:
    if policy_file is not None:
        return read_policy(Path(policy_file))
    return "accept", policy.parse_accept(accept)


def left_to_persons(
    run: str | Path, events: pd.DataFrame, *, accept: Sequence[str] = (), policy_file: str | Path | None = None
) -> dict[str, int]:
    """How many images a policy leaves to a person: what it would decide if asked to include them, but for `events`.

    Returns:
        ``test`` and ``conflicts``: numbers of images; of test images with conflicting labels, the first. ``unsure``:
        flagged labels that don't reach the accepted score, where the run's predictions can't tell wrong labels from
        hard images (``label_noise.established`` in run.json); 0 where they can.
    """
    state = load(run, OF_POLICY)
    name, accepted = _policy(accept, policy_file)
    every = propose(state, accepted, name, include_test=True, include_conflicts=True)
    left = every.loc[~lookup.among(every["image_id"], events["image_id"]), "image_id"]
    test = lookup.among(left, state.splits.loc[state.splits["split"].eq("test"), "image_id"])
    unsure = 0
    noise = state.run.info().get("label_noise") or {}
    if label_ranking.CHECK in accepted and not noise.get("established", True):
        found = state.issues[state.issues["check"].eq(label_ranking.CHECK)]
        unsure = int((~found["score"].ge(accepted[label_ranking.CHECK])).sum())
    return {"test": int(test.sum()), "conflicts": int((~test).sum()), "unsure": unsure}


def by_class_and_split(run: str | Path, events: pd.DataFrame) -> pd.DataFrame:
    """What events do: decision, given_label, label, and the number of images in train, val and test; the most first."""
    splits = open_run(Path(run)).read(tables.SPLIT_TABLE)
    split = lookup.values(events["image_id"], splits, "split").astype("str").fillna("none")
    keys = [events[name].astype("str").fillna("") for name in ("decision", "given_label", "label")]
    counts = pd.crosstab(keys, split).reindex(columns=[*tables.SPLITS, "none"], fill_value=0)
    counts = counts.loc[:, [*tables.SPLITS, *(["none"] if counts["none"].any() else [])]]
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return counts.loc[order].rename_axis(columns=None).reset_index()


def new_classes(run: str | Path, events: pd.DataFrame) -> list[str]:
    """The labels that these events give and no image of the dataset came with: new classes, or slips of the pen."""
    given = open_run(Path(run)).read(tables.DATASET, ["label"])["label"]
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
