"""The queue of one reviewer: the images for two persons come in front, a few at a time. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from imageclinic.cleaning.review.queue_order import mixed

#: Share of the queue that is images for two persons, until all of them were seen.
TWO_SHARE = 0.2


def arranged(rows: pd.DataFrame, two_reviewers: Sequence[str], seed: str = "") -> pd.DataFrame:
    """Rows of the App's dataset in the order in which one reviewer takes them.

    Args:
        rows: image_id; queue, the position in the Inbox (null: not flagged); decision, settled, in_inbox, as this
            reviewer sees them; cluster.
        two_reviewers: the images for two persons, in the order in which they come.
        seed: of the places in the queue.
    """
    rows = rows.copy()
    flagged = rows[rows["queue"].notna()].sort_values("queue")
    waiting = flagged.loc[flagged["in_inbox"].astype(bool), "image_id"].tolist()
    rest = flagged.loc[~flagged["in_inbox"].astype(bool), "image_id"].tolist()
    first = [name for name in two_reviewers if name in set(waiting)]
    others = [name for name in waiting if name not in set(first)]
    units = flagged.dropna(subset=["cluster"]).set_index("image_id")["cluster"].to_dict()
    queue, left = mixed(others, first, TWO_SHARE, f"two {seed}", units)
    place = {name: n for n, name in enumerate([*queue, *left, *rest])}
    rows["queue"] = rows["image_id"].map(place).astype(rows["queue"].dtype)
    return rows.sort_values(["queue", "image_id"], kind="stable", na_position="last", ignore_index=True)
