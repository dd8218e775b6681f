"""The queue of one reviewer: images for two persons come in front, a few at a time, and images with a known answer are
among the others. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from imageclinic.cleaning.review.queue_order import mixed

#: Share of the queue that is images for two persons, until all of them were seen.
TWO_SHARE = 0.2
_DECIDED = ("decision", "decided_label", "reviewer", "decided_at", "disputed", "who_decided_what")


def with_two_reviewers(rows: pd.DataFrame, two_reviewers: Sequence[str], seed: str = "") -> pd.DataFrame:
    """Rows of the App's dataset in the order in which one reviewer takes them.

    Args:
        rows: image_id; queue, the position in the Inbox (null: not flagged); in_inbox, as this reviewer sees it;
            cluster.
        two_reviewers: the images for two persons, in the order in which they come.
        seed: of the places in the queue.
    """
    waiting = rows[rows["in_inbox"].astype(bool)].sort_values("queue")
    first = [name for name in two_reviewers if name in set(waiting["image_id"])]
    others = waiting.loc[~waiting["image_id"].isin(first), "image_id"].tolist()
    queue, left = mixed(others, first, TWO_SHARE, f"two {seed}", _clusters(rows))
    return _in_order(rows, "queue", [*queue, *left])


def with_gold(
    rows: pd.DataFrame, gold: Sequence[str], rate: float, seed: str, reviewer: str
) -> tuple[pd.DataFrame, list[str]]:
    """Rows with images that have a known answer among those that wait: flagged ones in the Inbox, where all are
    flagged, the others in the random sample, which shows nothing that was found, and waits for each reviewer whatever
    others have decided. They look undecided.

    Args:
        rows: see `with_two_reviewers`; and calibrate, the position in the random sample, and what is decided.
        gold: the images, first come first.
        rate: the share of the queue that is theirs, from 0 to below 1.
        seed: of the places.
        reviewer: whose queue it is.

    Returns:
        The rows, and the images that have found a place: so many as the rate says.
    """
    flagged = set(rows.loc[rows["queue"].notna(), "image_id"])
    inbox = rows.loc[rows["in_inbox"].astype(bool)].sort_values("queue")["image_id"]
    mine = pd.Series([reviewer in str(names).split(";") for names in rows["reviewer"]], index=rows.index, dtype=bool)
    sample = rows[rows["calibrate"].notna() & ~mine].sort_values("calibrate")["image_id"]
    placed: list[str] = []
    for column, waiting, extra, units in (
        ("queue", inbox, [name for name in gold if name in flagged], _clusters(rows)),
        ("calibrate", sample, [name for name in gold if name not in flagged], {}),
    ):
        places = f"{column} {seed}"
        _, left = mixed(waiting[~waiting.isin(extra)].tolist(), extra, rate, places, units)
        chosen = extra[: len(extra) - len(left)]  # the others keep their own places, if they wait
        if chosen:
            queue, left = mixed(waiting[~waiting.isin(chosen)].tolist(), chosen, rate, places, units)
            rows = _in_order(rows, column, [*queue, *left])
            placed += chosen
    rows = rows.copy()
    inside = rows["image_id"].isin(placed)
    for name in _DECIDED:
        rows[name] = rows[name].astype(object).mask(inside, None)
    rows["in_inbox"] = rows["in_inbox"].astype(bool) | (inside & rows["queue"].notna())
    return rows, placed


def _clusters(rows: pd.DataFrame) -> dict[str, str]:
    copies = rows.dropna(subset=["cluster"])
    return dict(zip(copies["image_id"], copies["cluster"], strict=True))


def _in_order(rows: pd.DataFrame, column: str, first: Sequence[str]) -> pd.DataFrame:
    """Rows by `column`, which counts from 0: `first` at its beginning, then the others as they were."""
    there = rows[rows[column].notna()].sort_values(column)["image_id"]
    order = [*first, *there[~there.isin(first)]]
    place = {name: n for n, name in enumerate(order)}
    rows = rows.assign(**{column: rows["image_id"].map(place).astype("float64")})
    return rows.sort_values(["queue", "image_id"], kind="stable", na_position="last", ignore_index=True)
