"""Single pictures that are blurred, blank, odd: one line for all of them."""

from __future__ import annotations

from imageclinic.audit.verdict.line import RUN, Facts, Line, number, percent

#: Check → what its images are, and what such an image weighs against one that is simply wrong.
_KINDS = {
    "low_information": ("blank", 0.2),
    "blurry": ("blurred", 0.1),
    "dark": ("dark", 0.1),
    "bright": ("bright", 0.1),
    "exif_orientation": ("stored turned", 0.3),
    "outlier": ("unlike all others", 0.2),
    "grayscale": ("grey among coloured ones", 0.05),
    "odd_size": ("of unusual size", 0.05),
    "odd_aspect_ratio": ("of unusual shape", 0.05),
}


def judge(facts: Facts) -> list[Line]:
    """Each may be worth dropping, and together they rarely move accuracy."""
    found = facts.found(*_KINDS)
    counts = found.groupby("check")["image_id"].nunique()
    counts = counts[counts > 0].sort_values(ascending=False, kind="stable")
    if counts.empty:
        return []
    images = found["image_id"].nunique()
    parts = [f"{n:,} {_KINDS[str(check)][0]}" for check, n in counts.items()]
    return [
        Line(
            cause="picture_faults",
            severity=min(1.0, sum(_KINDS[str(check)][1] * facts.share(int(n)) for check, n in counts.items())),
            sentence=f"{number(images, 'picture')} ({percent(facts.share(images))}) to look at: {', '.join(parts)}",
            consequence="what a person can't recognise teaches nothing",
            command=f"imageclinic review {RUN}",
            checks=[str(check) for check in counts.index],
        )
    ]
