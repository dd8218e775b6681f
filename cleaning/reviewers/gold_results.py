"""How often each reviewer is right about images with a known answer, and whether that falls. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.trust.agreement import wilson

#: A fall is looked for in so many latest answers, once there are as many before them.
RECENT = 20
#: Probability that chance makes the latest answers so much worse. It is looked at again with each answer.
ALPHA = 0.005


def table(log: pd.DataFrame, right: Mapping[str, str], dataset: pd.DataFrame) -> list[dict[str, Any]]:
    """A record for each reviewer, by name.

    Args:
        log: of answers about images with a known answer, see `gold_log`.
        right: image_id → the right answer, see `gold_images.answers`; other images don't count.
        dataset: tables.DATASET.

    Returns:
        ``reviewer``; ``images`` answered, ``right`` ones and ``unsure`` ones beside these; ``accuracy, low, high`` (95
        % interval by Wilson), null without answers; ``fall``, see `fall`.
    """
    found = []
    for reviewer, own in log.groupby("reviewer"):
        now = decision_log.current(own, dataset)
        now = now[now["image_id"].isin(right)].sort_values("decided_at", kind="stable")
        answered = now[now["decision"].ne("unsure")]
        answer = answered["decision"].mask(
            answered["decision"].eq("relabel"), "relabel to " + answered["label"].astype("str")
        )
        hits = answer.eq(answered["image_id"].map(dict(right))).to_numpy(dtype=bool)
        n = len(hits)
        low, high = wilson(hits.mean(), n) if n else (None, None)
        found.append(
            {
                "reviewer": str(reviewer),
                "images": n,
                "right": int(hits.sum()),
                "unsure": len(now) - n,
                "accuracy": float(hits.mean()) if n else None,
                "low": low,
                "high": high,
                "fall": fall(hits),
            }
        )
    return found


def fall(right: npt.NDArray[np.bool_]) -> dict[str, int] | None:
    """``recent, recent_right, before, before_right`` where the latest answers are worse than those before; else None.

    By Fisher's exact test (1935), one-sided, of the last `RECENT` answers against all before.

    Args:
        right: (n,), in the order of the answers.
    """
    before, recent = right[:-RECENT], right[-RECENT:]
    if len(before) < RECENT:
        return None
    wrong, missed = int((~right).sum()), int((~recent).sum())
    ways = math.comb(len(right), wrong)
    chance = sum(
        math.comb(RECENT, k) * math.comb(len(before), wrong - k) for k in range(missed, min(wrong, RECENT) + 1)
    )
    if chance / ways >= ALPHA:
        return None
    return {
        "recent": RECENT,
        "recent_right": int(recent.sum()),
        "before": len(before),
        "before_right": int(before.sum()),
    }


def line(one: Mapping[str, Any]) -> str:
    """A record of `table` in words."""
    if one["accuracy"] is None:
        return f"{one['reviewer']} answered about no image with a known answer yet."
    share = f"{one['accuracy']:.0%} ({one['low']:.0%} to {one['high']:.0%})"
    unsure = f", unsure about {one['unsure']:,} more" if one["unsure"] else ""
    head = f"{one['reviewer']} was right about {one['right']:,} of {one['images']:,} images with a known answer"
    return f"{head}{unsure}: {share}.{notice(one)}"


def notice(one: Mapping[str, Any]) -> str:
    """That a reviewer's accuracy has fallen; empty where it has not."""
    if not (fallen := one["fall"]):
        return ""
    now, before = (f"{fallen[f'{name}_right']:,} of {fallen[name]:,}" for name in ("recent", "before"))
    return f" It has fallen: of the latest, {now} were right; before, {before}. Time for a pause?"
