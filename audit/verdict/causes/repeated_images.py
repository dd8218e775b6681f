"""Copies within a split, or in a dataset without splits."""

from __future__ import annotations

from imageclinic.audit.verdict.line import RUN, Facts, Line, number, percent
from imageclinic.core.rows import lookup

_CHECKS = ("exact_duplicate", "near_duplicate")


def judge(facts: Facts) -> list[Line]:
    """Where there are no splits yet, a random one puts most copies on two sides: that is a leak to come. Else copies
    only weigh an example too much."""
    found = facts.found(*_CHECKS)
    if found.empty:
        return []
    split = facts.own_splits.nunique() > 1
    members = set(found["image_id"])
    if split:  # copies in two splits are leaks, and reported there
        ends = (facts.neighbors[end] for end in ("image_id", "other_id"))
        one, other = (lookup.values(end, facts.dataset, "split") for end in ends)
        same = facts.neighbors[one.eq(other)]
        members &= {*same["image_id"], *same["other_id"]}
    images = len(members)
    if not images:
        return []
    share = facts.share(images)
    groups = int(facts.clusters.loc[facts.clusters["image_id"].isin(members), "split_group"].nunique())
    accept = " ".join(f"--accept {check}" for check in _CHECKS if (found["check"] == check).any())
    return [
        Line(
            cause="repeated_images",
            severity=(0.05 if split else 0.5) * share,
            sentence=f"{number(images, 'image')} ({percent(share)}) are copies of each other, in "
            f"{number(groups, 'group')}",
            consequence="they weigh some examples too much"
            if split
            else "a random split would put copies into train and test; an export keeps them together",
            command=f"imageclinic decide {RUN} {accept} --dry-run" if split else f"imageclinic export {RUN} OUT",
            checks=[check for check in _CHECKS if (found["check"] == check).any()],
        )
    ]
