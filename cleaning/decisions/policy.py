"""Decisions without a person: explicit, replayable, written to the same log as ``policy:<name>``. Pure but
for reading a policy file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd
import yaml

from imageclinic.audit import runner
from imageclinic.cleaning.decisions import survivors
from imageclinic.core.errors import InputError
from imageclinic.core.schema import POLICY


def parse_accept(items: Sequence[str]) -> dict[str, float]:
    """``["mislabeled:0.95", "exact_duplicate"]`` → score from which each check's findings are accepted (0: all)."""
    return {check: _score(check, text or "0") for check, _, text in (item.partition(":") for item in items)}


def load(file: Path) -> tuple[str, dict[str, float]]:
    """Read a policy: YAML with ``name`` (default: the file's) and ``accept``, a mapping of check to score
    (null: all).

    Raises:
        InputError: when the file can't be read or says anything else.
    """
    shape = "name: NAME and accept: {CHECK: SCORE, …}"
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"can't read the policy {file}: {error}", expected=f"YAML with {shape}") from error
    if not isinstance(content, dict) or not isinstance(content.get("accept"), dict) or not content["accept"]:
        raise InputError(f"{file} accepts nothing", expected=shape)
    unknown = sorted(str(key) for key in content if key not in ("name", "accept"))
    if unknown:
        raise InputError(f"{file} holds {unknown[0]!r}", expected=shape)
    accept = {
        str(check): _score(str(check), 0 if score is None else score) for check, score in content["accept"].items()
    }
    return str(content.get("name") or file.stem), accept


def policy_events(
    accept: Mapping[str, float],
    *,
    name: str,
    dataset: pd.DataFrame,
    issues: pd.DataFrame,
    clusters: pd.DataFrame,
    features: pd.DataFrame,
    splits: pd.DataFrame,
    current: pd.DataFrame,
    checks: Collection[str] = (),
) -> pd.DataFrame:
    """What a policy decides: events for `cleaning.decisions.decision_log.append`. Nothing is written.

    Findings with at least the accepted score, but those that their check leaves to a person (such as files that could
    not be judged), are taken as right, in this order:

    1. ``conflicting_label``: where more than half of a cluster's labelled copies share a label, relabel the
       others to it; else nothing, a person has to look.
    2. ``mislabeled``: relabel to the suggested label (nothing where none is suggested).
    3. Every other check about images (damaged, blurry, …): drop.
    4. ``exact_duplicate``, ``near_duplicate``: drop all copies but the survivor (`cleaning.decisions.survivors`), given
    what
       was decided so far. ``split_leakage``: drop those copies that are in another split than the survivor.
       Clusters whose labels still conflict are left alone.

    An image that a person decided about, or left unsure, is never touched, and no drop of another policy is
    taken back. An image gets one event; drop outranks relabel.

    Args:
        accept: check → score in [0, 1].
        name: of the policy; the reviewer becomes ``policy:<name>``.
        dataset, issues, clusters, features, splits: the run's tables.
        current: see `cleaning.decisions.decision_log.current`.
        checks: names of the checks that ran, which are valid also without findings.

    Returns:
        image_id, sha256, given_label, decision, label, confirmed, score, sample, reviewer, note; sorted by
        image_id.

    Raises:
        InputError: for an unknown check, one about classes, or a score outside [0, 1]; lists the valid ones.
    """
    found = issues[issues["image_id"].notna() & issues["image_id"].isin(dataset["image_id"])]
    _validate(accept, name, set(checks) | set(issues["check"]))
    decided = current[~current["reviewer"].str.startswith(POLICY) | current["decision"].eq("drop")]
    threshold = found["check"].map(accept).astype("float64")
    found = found[~found["image_id"].isin(decided["image_id"]) & found["score"].ge(threshold)]
    for check, accepted in ((c.name, c.accepted) for c in runner.load().values() if c.accepted is not None):
        found = found[found["check"].ne(check) | found["suggested_action"].isin(accepted)]

    labels, copies = runner.names_about("labels"), runner.names_about("copies")
    proposals = [
        _majorities(found[found["check"].isin(labels & copies)], dataset, clusters, splits, current),
        _relabels(found[found["check"].isin(labels - copies)], dataset),
        found[~found["check"].isin(labels | copies)].assign(decision="drop", label=None),
    ]
    for check in sorted(copies - labels):  # exact copies, near copies, leaks
        flagged = found[found["check"] == check]
        if len(flagged):
            so_far = after(current, _events(proposals, dataset, name))
            proposals.append(_copies(check, flagged, dataset, features, clusters, splits, so_far))
    events = _events(proposals, dataset, name)
    standing = current.set_index("image_id")
    same = events["decision"].eq(events["image_id"].map(standing["decision"])) & events["label"].eq(
        events["image_id"].map(standing["label"])
    )
    return events[~same].reset_index(drop=True)


def _score(check: str, text: object) -> float:
    try:
        score = float(str(text))
    except ValueError:
        score = float("nan")
    if not 0 <= score <= 1:
        raise InputError(f"score {text} of {check}", expected="a number from 0 to 1, such as mislabeled:0.95")
    return score


def _validate(accept: Mapping[str, float], name: str, known: Collection[str]) -> None:
    about_classes = runner.names_about("classes")  # no image to decide about
    valid = ", ".join(sorted(set(known) - about_classes))
    if not name.strip():
        raise InputError("a policy without a name", expected="a name: it becomes the reviewer")
    for check, score in accept.items():
        _score(check, score)
        if check in about_classes:
            raise InputError(f"{check} is about classes, not images: there is nothing to drop", expected=valid)
        if check not in known:
            raise InputError(f"unknown check {check!r}", expected=f"one of {valid}")


def _relabels(found: pd.DataFrame, dataset: pd.DataFrame) -> pd.DataFrame:
    given = found["image_id"].map(dataset.set_index("image_id")["label"])
    wanted = found["suggested_label"].notna() & found["suggested_label"].ne(given)
    return found[wanted].assign(decision="relabel", label=found["suggested_label"])


def _majorities(
    found: pd.DataFrame, dataset: pd.DataFrame, clusters: pd.DataFrame, splits: pd.DataFrame, current: pd.DataFrame
) -> pd.DataFrame:
    """Relabel the copies that disagree with more than half of their cluster. Never a test image: its label is what
    accuracy is measured by, so a person decides."""
    decided = current.set_index("image_id")
    labels = dataset.set_index("image_id")["label"]
    relabelled = decided.loc[decided["decision"].eq("relabel"), "label"]
    dropped = decided.index[decided["decision"].eq("drop")]
    labels = relabelled.combine_first(labels).drop(dropped, errors="ignore")
    members = clusters[clusters["cluster"].notna()]
    members = members.assign(label=members["image_id"].map(labels)).dropna(subset=["label"])
    votes = members.groupby(["cluster", "label"]).size()
    share = votes / votes.groupby("cluster").transform("sum")
    winners = share[share > 0.5].reset_index().set_index("cluster")["label"]
    home = clusters.set_index("image_id")["cluster"]
    majority = found["image_id"].map(home).map(winners)
    test = set(splits.loc[splits["split"].eq("test"), "image_id"])
    test |= set(dataset.loc[dataset["split"].eq("test"), "image_id"])
    wanted = majority.notna() & majority.ne(found["image_id"].map(labels)) & ~found["image_id"].isin(test)
    return found.assign(decision="relabel", label=majority)[wanted]


def _copies(
    check: str,
    found: pd.DataFrame,
    dataset: pd.DataFrame,
    features: pd.DataFrame,
    clusters: pd.DataFrame,
    splits: pd.DataFrame,
    current: pd.DataFrame,
) -> pd.DataFrame:
    """Drop flagged copies but the survivor of each set of copies that the check means."""
    members = clusters[clusters["cluster"].notna()]
    if check == "exact_duplicate":
        # Near copies share a cluster with exact ones: only equal pictures are copies here.
        pixels = members["image_id"].map(features.set_index("image_id")["pixel_hash"].astype("str"))
        content = members["image_id"].map(dataset.set_index("image_id")["sha256"])
        members = members.assign(cluster=members["cluster"] + "/" + pixels.fillna(content))
        members = members[members["image_id"].isin(found["image_id"])]
    chosen = survivors.choose(dataset, features, members, splits, current)
    chosen = chosen[chosen.groupby("cluster")["survivor"].transform("any")]
    if check == "split_leakage":
        split = chosen["image_id"].map(dataset.set_index("image_id")["split"])
        home = split[chosen["survivor"]].set_axis(chosen.loc[chosen["survivor"], "cluster"])
        chosen = chosen[split.ne(chosen["cluster"].map(home))]
    losers = chosen[~chosen["survivor"]].set_index("image_id")["reason"]
    reason = found["image_id"].map(losers).astype("str")
    return found.assign(decision="drop", label=None, evidence=reason + "; " + found["evidence"])[reason.notna()]


def _events(proposals: Sequence[pd.DataFrame], dataset: pd.DataFrame, name: str) -> pd.DataFrame:
    """One event per image: a drop before a relabel, else the first proposal; checks and evidence of one kind
    joined."""
    proposed = pd.concat(proposals, ignore_index=True).drop_duplicates(["image_id", "check"])
    proposed = proposed.assign(drop=proposed["decision"].eq("drop"))
    proposed = proposed.sort_values(["image_id", "drop"], ascending=[True, False], kind="stable")
    first = proposed.drop_duplicates("image_id").set_index("image_id")
    same = proposed["decision"].eq(proposed["image_id"].map(first["decision"]))
    by_image = proposed[same].groupby("image_id")
    known = dataset.set_index("image_id").loc[first.index]
    return pd.DataFrame(
        {
            "image_id": first.index,
            "sha256": known["sha256"].to_numpy(),
            "given_label": known["label"].to_numpy(),
            "decision": first["decision"].to_numpy(),
            "label": first["label"].to_numpy(),
            "confirmed": by_image["check"].agg(";".join).reindex(first.index).to_numpy(),
            "score": first["score"].to_numpy(),
            "sample": "ranked",
            "reviewer": f"{POLICY}{name}",
            "note": by_image["evidence"].agg(" ".join).reindex(first.index).to_numpy(),
        }
    ).astype({"score": "float64", "label": "str"})


def after(current: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """What stands decided (see `cleaning.decisions.decision_log.current`) once the `events` of a policy are written."""
    new = events[["image_id", "decision", "label", "reviewer"]]
    return pd.concat([current[~current["image_id"].isin(new["image_id"])], new.assign(disputed=False)])
