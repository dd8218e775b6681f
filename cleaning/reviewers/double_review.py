"""Images that two persons must decide about, each without seeing the other's decision: drawn, and counted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.cleaning.decisions import priority
from imageclinic.cleaning.trust import agreement, random_sample
from imageclinic.core.schema import POLICY

#: So many persons decide about such an image.
PERSONS = 2
#: One in so many is an image that no check flagged.
UNFLAGGED = 4


def draw(
    issues: pd.DataFrame,
    dataset: pd.DataFrame,
    clusters: pd.DataFrame,
    current: pd.DataFrame,
    wanted: int,
    *,
    drawn: Sequence[str] = (),
    without: Sequence[str] = (),
    seed: int = 0,
) -> list[str]:
    """Images for two persons: flagged ones, and to a quarter unflagged ones of the random sample (*Calibrate*).

    The flagged ones are a systematic sample along the order of the Inbox (the checks, and within each the scores), so
    that each check and each range of scores has its share. Copies are left out: what is decided about one is decided
    about the others. So is what a policy has decided, and what two persons have decided about already.

    Args:
        issues, dataset, clusters: the tables.
        current: what is decided, see `decision_log.current`.
        wanted: how many images in all.
        drawn: those that were drawn before. They stay while fewer than `wanted`, and come first.
        without: images that are not to be drawn.
        seed: of the draw.

    Returns:
        At most `wanted` ids, in an order by chance: whoever stops early has a random part of them.
    """
    kept = list(drawn[:wanted])
    persons = answering_persons(current)
    closed = {*persons[persons >= PERSONS].index, *clusters["image_id"], *without, *kept}
    closed |= set(current.loc[current["reviewer"].fillna("").str.startswith(POLICY), "image_id"])
    closed |= set(issues.loc[issues["cluster"].notna(), "image_id"])
    rng = np.random.default_rng(seed + len(kept))
    missing = wanted - len(kept)
    sample = random_sample.draw(issues, dataset)
    others = sample.loc[sample["stratum"].eq(random_sample.UNFLAGGED), "image_id"]
    unflagged = [name for name in others if name not in closed]
    flagged = [name for name in priority.per_image(issues)["image_id"] if name not in closed]
    quarter = max(missing // UNFLAGGED, missing - len(flagged))  # more, where few images are flagged
    chosen = unflagged[:quarter]
    chosen += _evenly(flagged, missing - len(chosen), rng)
    return [*kept, *(chosen[n] for n in rng.permutation(len(chosen)))]


def answering_persons(current: pd.DataFrame) -> pd.Series:
    """How many persons have answered about each image: int64, by image_id. "Unsure" and a policy are no answers.

    Args:
        current: see `decision_log.current`.
    """
    people = current[~current["reviewer"].fillna(POLICY).str.startswith(POLICY)].set_index("image_id")
    n = people["reviewer"].str.count(";") + 1
    return n.where(people["decision"].ne("unsure"), 0).astype("int64")


def summary(
    images: Sequence[str], log: pd.DataFrame, dataset: pd.DataFrame, current: pd.DataFrame
) -> dict[str, Any] | None:
    """How far the images for two persons are; None where there are none.

    Returns:
        ``images``; of them those ``decided_by_two``, those ``waiting`` for a first or second person, and ``disputed``
        ones; ``agreement`` about just these, see `agreement.table`.
    """
    if not images:
        return None
    persons = answering_persons(current).reindex(pd.Index(images)).fillna(0)
    both = int((persons >= PERSONS).sum())
    disputed = current.loc[current["image_id"].isin(images), "disputed"]
    return {
        "images": len(images),
        "decided_by_two": both,
        "waiting": len(images) - both,
        "disputed": int(disputed.sum()),
        "agreement": agreement.table(log[log["image_id"].isin(images)], dataset),
    }


def line(found: dict[str, Any]) -> str:
    """A `summary` in words, without the agreement."""
    waiting = f", {found['waiting']:,} wait for a first or a second" if found["waiting"] else ""
    disputed = f"; about {found['disputed']:,} they differ (the view Disputed)" if found["disputed"] else ""
    return f"{found['images']:,} images for two reviewers: two decided {found['decided_by_two']:,}{waiting}{disputed}."


def _evenly(names: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    """`n` of the names, at equal distances from a start by chance."""
    n = min(n, len(names))
    step = len(names) / max(n, 1)
    at: npt.NDArray[np.int64] = (rng.random() * step + np.arange(n) * step).astype(np.int64)
    return [names[i] for i in at]
