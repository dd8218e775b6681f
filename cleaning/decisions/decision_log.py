"""The decision log: who decided what about which image, append-only, and what counts now.

Rules:
- The last event per image and reviewer counts, in the order of the log; ``undo`` takes back that reviewer's latest
  event for the image that is still in force, so that several go several steps back.
- A person outranks a policy (a reviewer called ``policy:<name>``); among policies the last one counts.
- ``unsure`` is an abstention: the others' decisions count. With nothing else, the image is undecided.
- Where reviewers decided differently, what more than half of them decided counts. Without such a majority the image
  is undecided: it is disputed, and listed.
- A decision is about a content under a given label. It follows them to another path, when the old path is gone or
  changed and exactly one image fits; a drop as a copy does not, because what fits may be the copy that was kept. A
  decision made about a path outranks one that followed. What fits nothing is stale: counted, not applied.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit import runner
from imageclinic.cleaning.decisions import batches, log_file
from imageclinic.cleaning.decisions.log_reading import kept_log
from imageclinic.cleaning.decisions.policies.policy import policy_events
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.rows import lookup
from imageclinic.core.schema import POLICY

__all__ = ["append", "current", "filled", "policy_events", "read", "stale", "targets", "undo_batch"]

TABLE = tables.DECISION_LOG
#: The note of a label that was accepted with many others, without a look at each.
AT_ONCE = "accepted in a batch"
_COLUMNS = ("image_id", "decision", "label", "reviewer", "decided_at", "confirmed", "rejected", "disputed", "note")


def append(path: Path, events: pd.DataFrame) -> pd.DataFrame:
    """Append events to the log at `path` (made if it is not there), under a lock and synced.

    Args:
        path: the run's decision log.
        events: image_id, decision, reviewer and any other columns of the log. Missing or null: decision_id is
            a new one, batch is one new one for the call, decided_at is now, sample is ``ranked``.

    Returns:
        The rows as written.

    Raises:
        InputError: when a cell does not fit (nothing is written then), or the file can't be written.
    """
    if events.empty:
        return tables.empty(TABLE)
    rows = filled(events, str(path))
    with log_file.locked(path):
        batches.append(path, rows)
    return rows


def read(path: Path) -> pd.DataFrame:
    """Read the log; empty when there is no file. A torn last row is ignored (see `cleaning.decisions.log_file`), and a
    batch counts whole or not at all (see `cleaning.decisions.batches`).

    Raises:
        InputError: naming file, line, column and value of the first cell that does not fit.
    """
    return batches.read_checked(path)


def current(log: pd.DataFrame, dataset: pd.DataFrame) -> pd.DataFrame:
    """The decision in force for each image of `dataset`, by the rules of this module.

    Args:
        log: tables.DECISION_LOG.
        dataset: image_id, sha256, label.

    Returns:
        One row per image with an event in force, sorted by image_id: image_id; decision (keep, drop,
        relabel, unsure; null when disputed); label (for relabel, else null); reviewer (several joined by
        ``;``); decided_at (the latest); confirmed and rejected (checks joined by ``;``); disputed (bool);
        note.
    """
    events = _standing(log, dataset)
    events = events[events["applies"]]
    # Direct decisions outrank those that followed the content, persons outrank policies, answers abstentions.
    direct = events["target"].eq(events["image_id"])
    events = events[direct | ~direct.groupby(events["target"]).transform("any")]
    events = events.drop_duplicates(["target", "reviewer"], keep="last")
    policy = events["reviewer"].str.startswith(POLICY)
    human = (~policy).groupby(events["target"]).transform("any")
    last_policy = ~events.loc[policy].duplicated("target", keep="last").reindex(events.index, fill_value=True)
    events = events[~policy | (~human & last_policy)]
    answer = events["decision"].ne("unsure")
    events = events[answer | ~answer.groupby(events["target"]).transform("any")]

    relabel = events["decision"].eq("relabel")
    final = events["label"].where(relabel, lookup.values(events["target"], dataset, "label")).astype("str")
    events = events.assign(
        label=events["label"].where(relabel),
        answer=events["decision"].replace({"relabel": "keep"})
        + "/"
        + final.where(events["decision"].ne("drop")).fillna(""),
    )
    alone = ~events["target"].duplicated(keep=False)
    single = events[alone].assign(disputed=False)
    several = [_merged(group) for _, group in events[~alone].groupby("target", sort=False)]
    result = pd.concat([single, pd.DataFrame(several, columns=[*events.columns, "disputed"])]) if several else single
    result = result.assign(image_id=result["target"])[list(_COLUMNS)].sort_values("image_id", ignore_index=True)
    text = {name: "str" for name in _COLUMNS if name != "disputed"}
    return result.astype({**text, "disputed": bool})


def kept_by_persons(log: pd.DataFrame, current: pd.DataFrame) -> set[str]:
    """Images that a person decided to keep, in view of what was found about them: not in the blind random sample, which
    shows no findings. `log` is the table, `current` what `current` makes of it.
    """
    keep = current[current["decision"].eq("keep") & ~current["reviewer"].str.startswith(POLICY)]
    blind = log[log["decision"].eq("keep") & log["sample"].eq("random")]
    seen = log[log["decision"].eq("keep") & log["sample"].ne("random") & ~log["reviewer"].str.startswith(POLICY)]
    return set(keep["image_id"]) - (set(blind["image_id"]) - set(seen["image_id"]))


def first_answers(log: pd.DataFrame, dataset: pd.DataFrame) -> pd.DataFrame:
    """What each person first answered about each image: before they could see that another one disagrees.

    Returns:
        ``image_id``, ``reviewer``, ``answer``: ``keep``, ``drop``, or ``relabel to`` a label. What was taken back,
        "unsure", and what was accepted in a batch, unseen, is no answer.
    """
    events = _standing(log[~log["reviewer"].str.startswith(POLICY)], dataset)
    events = events[events["applies"] & events["target"].eq(events["image_id"]) & events["decision"].ne("unsure")]
    events = events[events["note"].ne(AT_ONCE).fillna(True)]
    events = events.drop_duplicates(["target", "reviewer"], keep="first")
    answer = events["decision"].mask(events["decision"].eq("relabel"), "relabel to " + events["label"].astype("str"))
    return pd.DataFrame({"image_id": events["target"], "reviewer": events["reviewer"], "answer": answer})


def stale(log: pd.DataFrame, dataset: pd.DataFrame) -> pd.DataFrame:
    """Events that stand but fit no image of `dataset` any more: the last per image and reviewer (rows of the
    log)."""
    events = _standing(log, dataset)
    events = events[~events["applies"]].drop_duplicates(["image_id", "reviewer"], keep="last")
    return events[TABLE.names].reset_index(drop=True)


def last_batch(path: Path, reviewer: str) -> tuple[datetime, str] | None:
    """When the reviewer's last batch that is still in force was decided, and its id; None when there is none."""
    log = kept_log.read(path)
    own = log[log["reviewer"] == reviewer]
    left = own[_survives(own, own["image_id"])]
    if left.empty:
        return None
    return pd.to_datetime(left["decided_at"].iloc[-1], utc=True).to_pydatetime(), str(left["batch"].iloc[-1])


def undo_batch(path: Path, reviewer: str, *, every: bool = False) -> list[str]:
    """Take back the reviewer's last batch that is still in force (several calls go several steps back), or every one.

    Returns:
        The image ids that it was about, in its order; empty when nothing is left to undo.
    """
    with log_file.locked(path):
        log = kept_log.read(path)
        own = log[log["reviewer"] == reviewer]
        left = own[_survives(own, own["image_id"])]
        if left.empty:
            return []
        batch = left if every else left[left["batch"] == left["batch"].iloc[-1]]
        kept = batch[["image_id", "sha256", "given_label", "reviewer"]].iloc[::-1]
        batches.append(path, filled(kept.assign(decision="undo"), str(path)))
    return list(dict.fromkeys(batch["image_id"]))


def filled(events: pd.DataFrame, where: str) -> pd.DataFrame:
    """Events as whole rows of the log. Raises InputError when a cell does not fit."""
    unknown = [name for name in events.columns if name not in TABLE.names]
    if unknown:
        raise InputError(f"unknown columns {', '.join(unknown)}", expected=f"any of {', '.join(TABLE.names)}")
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    default = {
        "decision_id": [uuid.uuid4().hex for _ in range(len(events))],
        "batch": uuid.uuid4().hex,
        "decided_at": now,
        "sample": "ranked",
    }
    rows = events.reset_index(drop=True).reindex(columns=TABLE.names)
    for name, value in default.items():
        filling = pd.Series(value, index=rows.index, dtype="str")
        rows[name] = rows[name].astype("str").fillna(filling)
    problems = log_file.find_problems(rows.replace("", pd.NA))
    if problems:
        first = problems[0]
        about = rows["image_id"].iloc[first.row]
        raise InputError(
            f"bad decision about {about} for {where}, column {first.column}: {first.value!r}",
            expected=first.expected,
        )
    return log_file.typed(rows, where=where)


def _standing(log: pd.DataFrame, dataset: pd.DataFrame) -> pd.DataFrame:
    """Events that were not undone, with `target`, the image that each is about now (null: none), and `applies`."""
    target = targets(log, dataset)
    events = log.assign(target=target)[_survives(log, target.fillna(log["image_id"]))]
    of_copies = [one for one in events["confirmed"].dropna().unique() if _about_copies(one)]
    as_copy = events["decision"].eq("drop") & events["confirmed"].isin(of_copies)
    followed = events["target"].ne(events["image_id"])
    return events.assign(applies=events["target"].notna() & ~(followed & as_copy))


def targets(log: pd.DataFrame, dataset: pd.DataFrame) -> pd.Series:
    """The image that each event is about now: at its path, else where its content and label went; else null."""
    # All that it depends on: the log is short, where the dataset may have millions of rows.
    wanted = lookup.among(dataset["image_id"], log["image_id"]) | lookup.among(dataset["sha256"], log["sha256"])
    dataset = dataset.loc[wanted, ["image_id", "sha256", "label"]]
    there = fits(log, dataset)
    whole = dataset[dataset["sha256"].notna()]
    keys = whole["sha256"] + "/" + whole["label"].fillna("")
    only = whole.loc[~keys.duplicated(keep=False), "image_id"]
    moved = (log["sha256"] + "/" + log["given_label"].fillna("")).map(pd.Series(only.to_numpy(), keys[only.index]))
    return log["image_id"].where(there, moved).astype("str")


def fits(log: pd.DataFrame, dataset: pd.DataFrame) -> pd.Series:
    """Whether each event is about an image of `dataset` that is as it was then. If all are, no other has a say."""
    at = lookup.places(log["image_id"], dataset["image_id"])
    there = pd.Series(at >= 0, index=log.index)
    for recorded, now in (("sha256", "sha256"), ("given_label", "label")):
        there &= log[recorded].isna() | log[recorded].eq(lookup.taken(dataset[now], at).set_axis(log.index))
    return there


def _survives(log: pd.DataFrame, key: pd.Series) -> npt.NDArray[np.bool_]:
    """Which events are neither undo nor undone. An undo takes back its reviewer's last event for the same
    path, or else the last one for the same image (`key`)."""
    result = log["decision"].ne("undo").to_numpy(bool, copy=True)
    if result.all():
        return result
    stacks: dict[tuple[str, str], list[int]] = {}
    paths = log["image_id"].tolist()
    for at, (image, reviewer) in enumerate(zip(key, log["reviewer"], strict=True)):
        stack = stacks.setdefault((image, reviewer), [])
        if result[at]:
            stack.append(at)
        elif stack:
            undone = next((i for i in reversed(stack) if paths[i] == paths[at]), stack[-1])
            stack.remove(undone)
            result[undone] = False
    return result


def _merged(events: pd.DataFrame) -> dict[str, object]:
    """One row for the events of several reviewers about one image."""
    votes = events["answer"].value_counts()
    disputed = 2 * int(votes.iloc[0]) <= len(events)
    count = events if disputed else events[events["answer"].eq(votes.index[0])]  # the others have no say
    row: dict[str, object] = {str(name): value for name, value in count.iloc[-1].items()}
    notes = events["note"].dropna().tolist()
    if len(votes) > 1:
        decided = events["reviewer"] + ": " + events["decision"] + (" to " + events["label"]).fillna("")
        notes = decided.tolist() + notes
    if disputed:
        row.update(decision=None, label=None)
    return {
        **row,
        "reviewer": _joined(events["reviewer"]),
        "decided_at": events["decided_at"].max(),
        "confirmed": _joined(count["confirmed"]),
        "rejected": _joined(count["rejected"]),
        "disputed": disputed,
        "note": "; ".join(notes) or None,
    }


def _joined(names: Iterable[object]) -> str | None:
    parts = {part for name in names if isinstance(name, str) for part in name.split(";")}
    return ";".join(sorted(parts)) or None


def _about_copies(confirmed: str) -> bool:
    return not runner.names_about("copies").isdisjoint(confirmed.split(";"))
