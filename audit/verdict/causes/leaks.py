"""Test and validation images that are in training, too."""

from __future__ import annotations

from imageclinic.audit.copies.pair_views import both_ways
from imageclinic.audit.verdict.line import RUN, Facts, Line, number, percent
from imageclinic.core.rows import lookup

#: From this share on, what is measured is memory.
_MEANINGLESS = 0.5
#: Validation images choose models, and are not what is published.
_WEIGHTS = {"test": 1.0, "val": 0.5}


def judge(facts: Facts) -> list[Line]:
    """The worst that can happen: every such image is recognised because it was learnt."""
    if facts.found("split_leakage").empty:
        return []
    splits = facts.own_splits
    pairs = both_ways(facts.neighbors)
    own, theirs = (lookup.values(pairs[end], facts.dataset, "split") for end in ("image_id", "other_id"))
    pairs = pairs.assign(own=own, theirs=theirs)
    lines = []
    for held, weight in _WEIGHTS.items():
        for source in ("train", "val"):
            across = pairs[(pairs["own"] == held) & (pairs["theirs"] == source)]
            images, all_images = across["image_id"].nunique(), int((splits == held).sum())
            if images and held != source:
                equal = across["kind"].isin(["bytes", "pixels"]).all()
                alike = ("is also", "are also") if equal else ("has a copy", "have a copy")
                share = images / all_images
                weigh = weight * share * (1 if source == "train" else 0.5)
                said = f"{images:,} of {number(all_images, held + ' image')} {alike[images > 1]} in {source}"
                lines.append(_line(said, held, source, share, weigh))
    return lines or [_other(facts)]


def _line(sentence: str, held: str, source: str, share: float, severity: float) -> Line:
    name = {"test": "test", "val": "validation"}[held]
    if source == "val":
        consequence = f"whatever is chosen on val is flattered on test: by up to {100 * share:.0f} points at worst"
    elif share >= _MEANINGLESS:
        consequence = f"your {name} accuracy means nothing, it measures memory"
    else:
        consequence = f"your {name} accuracy is too high, by up to {max(0.1, 100 * share):.{int(share < 0.01)}f} points"
    return Line(
        cause="leaks",
        severity=severity,
        sentence=sentence.replace("val images", "validation images").replace("val image", "validation image"),
        consequence=consequence,
        command=f"imageclinic decide {RUN} --accept split_leakage --dry-run",
        checks=["split_leakage"],
    )


def _other(facts: Facts) -> Line:
    found = facts.found("split_leakage")
    images = found["image_id"].nunique()
    return Line(
        cause="leaks",
        severity=0.5 * facts.share(images),
        sentence=f"{number(images, 'image')} ({percent(facts.share(images))}) have a copy in another split",
        consequence="what is measured there is too high",
        command=f"imageclinic decide {RUN} --accept split_leakage --dry-run",
        checks=["split_leakage"],
    )
