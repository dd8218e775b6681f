"""Decisions without a person: explicit, replayable, written to the same log as ``policy:<name>``. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from imageclinic.audit import runner
from imageclinic.cleaning.decisions import survivors
from imageclinic.core.errors import InputError
from imageclinic.core.rows import lookup
from imageclinic.core.schema import POLICY


def parse_accept(items: Sequence[str]) -> dict[str, float]:
    """``["mislabeled:0.95", "blurry,dark"]`` → score from which each check's findings are accepted (0: all)."""
    named = [name.strip() for item in items for name in item.split(",") if name.strip()]
    return {check: checked_score(check, text or "0") for check, _, text in (name.partition(":") for name in named)}


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
    include_test: bool = False,
    include_conflicts: bool = False,
) -> pd.DataFrame:
    """What a policy decides: events for `cleaning.decisions.decision_log.append`. Nothing is written.

    Findings with at least the accepted score, but those that their check leaves to a person (such as files that could
    not be judged), are taken as right, in this order:

    1. ``conflicting_label``: where more than half of a cluster's labelled copies share a label, relabel the
       others to it; else nothing, a person has to look.
    2. ``mislabeled``: relabel to the suggested label (nothing where none is suggested).
    3. Every other check about images (damaged, blurry, …): drop.
    4. ``exact_duplicate``, ``near_duplicate``: drop all copies but the survivor (`cleaning.decisions.survivors`), given
       what was decided so far. ``split_leakage``: drop those copies that are in another split than the survivor.

    Two kinds of images are left to a person. Test images, for accuracy is measured by them; of copies, those outside of
    test are dropped. And clusters whose copies carry different labels, or would after a relabelling: which of them is
    right, no policy knows.

    An image that a person decided about, or left unsure, is never touched, and no drop of another policy is
    taken back. An image gets one event; drop outranks relabel.

    Args:
        accept: check → score in [0, 1].
        name: of the policy; the reviewer becomes ``policy:<name>``.
        dataset, issues, clusters, features, splits: the run's tables.
        current: see `cleaning.decisions.decision_log.current`.
        checks: names of the checks that ran, which are valid also without findings.
        include_test: decide about test images, too.
        include_conflicts: decide about clusters with conflicting labels, too: the label that most copies have wins.

    Returns:
        image_id, sha256, given_label, decision, label, confirmed, score, sample, reviewer, note; sorted by
        image_id.

    Raises:
        InputError: for an unknown check, one about classes, or a score outside [0, 1]; lists the valid ones.
    """
    _validate(accept, name, {*checks, *issues["check"].unique()})
    found = issues[issues["check"].isin(list(accept))]
    found = found[lookup.among(found["image_id"], dataset["image_id"])]
    decided = current[~current["reviewer"].str.startswith(POLICY) | current["decision"].eq("drop")]
    threshold = found["check"].map(accept).astype("float64")
    found = found[~lookup.among(found["image_id"], decided["image_id"]) & found["score"].ge(threshold)]
    for check, accepted in ((c.name, c.accepted) for c in runner.load().values() if c.accepted is not None):
        found = found[found["check"].ne(check) | found["suggested_action"].isin(accepted)]

    labels, copies = runner.names_about("labels"), runner.names_about("copies")
    test = pd.concat([t.loc[t["split"].eq("test"), "image_id"] for t in (splits, dataset)])
    left = test.head(0) if include_test else test

    def conflicts(*proposals: pd.DataFrame) -> pd.Series:
        if include_conflicts:
            return test.head(0)
        return _conflicting(dataset, clusters, after(current, _events(proposals, dataset, name)))

    majority = _without(_majorities(found[found["check"].isin(labels & copies)], dataset, clusters, current), left)
    relabels = _without(_relabels(found[found["check"].isin(labels - copies)], dataset), left)
    relabels = _without(_without(relabels, conflicts(majority)), conflicts(majority, relabels))
    drops = found[~found["check"].isin(labels | copies)].assign(decision="drop", label=None)
    proposals = [majority, relabels, _without(_without(drops, left), conflicts(majority, relabels))]
    for check in sorted(copies - labels):  # exact copies, near copies, leaks
        flagged = found[found["check"] == check]
        if len(flagged):
            so_far = after(current, _events(proposals, dataset, name))
            copied = _copies(runner.load()[check].copies, flagged, dataset, features, clusters, splits, so_far)
            proposals.append(_without(_without(copied, left), conflicts(*proposals)))
    events = _events(proposals, dataset, name)
    decision, label = (lookup.values(events["image_id"], current, name) for name in ("decision", "label"))
    same = events["decision"].eq(decision) & events["label"].eq(label)
    return events[~same].reset_index(drop=True)


def checked_score(check: str, text: object) -> float:
    """The score from which a check's findings are accepted. Raises InputError for what is no number from 0 to 1."""
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
        checked_score(check, score)
        if check in about_classes:
            raise InputError(f"{check} is about classes, not images: there is nothing to drop", expected=valid)
        if check not in known:
            raise InputError(f"unknown check {check!r}", expected=f"one of {valid}")


def _without(proposal: pd.DataFrame, image_ids: pd.Series) -> pd.DataFrame:
    return proposal[~lookup.among(proposal["image_id"], image_ids)]


def _labels(ids: pd.Series, dataset: pd.DataFrame, current: pd.DataFrame) -> pd.Series:
    """The label that holds for each image; null for one that is dropped."""
    given = lookup.values(ids, dataset, "label")
    decision, label = (lookup.values(ids, current, name) for name in ("decision", "label"))
    return given.mask(decision.eq("relabel"), label).mask(decision.eq("drop"))


def _conflicting(dataset: pd.DataFrame, clusters: pd.DataFrame, current: pd.DataFrame) -> pd.Series:
    """Images of clusters whose copies carry different labels."""
    members = clusters[clusters["cluster"].notna()]
    different = _labels(members["image_id"], dataset, current).groupby(members["cluster"]).transform("nunique").gt(1)
    return members.loc[different, "image_id"]


def _relabels(found: pd.DataFrame, dataset: pd.DataFrame) -> pd.DataFrame:
    given = lookup.values(found["image_id"], dataset, "label")
    wanted = found["suggested_label"].notna() & found["suggested_label"].ne(given)
    return found[wanted].assign(decision="relabel", label=found["suggested_label"])


def _majorities(
    found: pd.DataFrame, dataset: pd.DataFrame, clusters: pd.DataFrame, current: pd.DataFrame
) -> pd.DataFrame:
    """Relabel the copies that disagree with more than half of their cluster."""
    members = clusters[clusters["cluster"].notna()]
    members = members.assign(label=_labels(members["image_id"], dataset, current)).dropna(subset=["label"])
    votes = members.groupby(["cluster", "label"]).size()
    share = votes / votes.groupby("cluster").transform("sum")
    winners = share[share > 0.5].reset_index().set_index("cluster")["label"]
    majority = lookup.values(found["image_id"], clusters, "cluster").map(winners)
    wanted = majority.notna() & majority.ne(_labels(found["image_id"], dataset, current))
    return found.assign(decision="relabel", label=majority)[wanted]


def _copies(
    which: str,
    found: pd.DataFrame,
    dataset: pd.DataFrame,
    features: pd.DataFrame,
    clusters: pd.DataFrame,
    splits: pd.DataFrame,
    current: pd.DataFrame,
) -> pd.DataFrame:
    """Drop flagged copies but the survivor of each set of copies that the check means (`which`, of `runner.COPIES`)."""
    members = clusters[clusters["cluster"].notna()]
    if which == "equal":
        # Near copies share a cluster with exact ones: only equal pictures are copies here.
        members = members[lookup.among(members["image_id"], found["image_id"])]
        hashes = features.assign(pixel_hash=features["pixel_hash"].astype("UInt64"))
        pixels = lookup.values(members["image_id"], hashes, "pixel_hash").astype("str")
        content = lookup.values(members["image_id"], dataset, "sha256")
        members = members.assign(cluster=members["cluster"] + "/" + pixels.fillna(content))
    chosen = survivors.choose(dataset, features, members, splits, current)
    chosen = chosen[chosen.groupby("cluster")["survivor"].transform("any")]
    if which == "across splits":
        split = lookup.values(chosen["image_id"], dataset, "split")
        home = split[chosen["survivor"]].set_axis(chosen.loc[chosen["survivor"], "cluster"])
        chosen = chosen[split.ne(chosen["cluster"].map(home))]
    reason = lookup.values(found["image_id"], chosen[~chosen["survivor"]], "reason").astype("str")
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
    known = dataset.iloc[lookup.places(first.index, dataset["image_id"])]
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
    """The decisions in force (`cleaning.decisions.decision_log.current`) once the `events` of a policy are written."""
    new = events[["image_id", "decision", "label", "reviewer"]]
    return pd.concat([current[~current["image_id"].isin(new["image_id"])], new.assign(disputed=False)])
