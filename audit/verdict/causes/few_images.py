"""Too few images to learn from, or to measure on."""

from __future__ import annotations

import math

from imageclinic.audit.verdict.line import RUN, Facts, Line, number, percent

#: Below, a network from scratch rarely learns a class (`audit/checks/too_few_images.py`).
_PRETRAINED = 100
#: Half of a 95 % interval, in accuracy, from which a test set counts as small.
_WIDE = 0.05


def judge(facts: Facts) -> list[Line]:
    """The half-width of a binomial interval at an accuracy of one half, and classes that need pretrained features."""
    lines = []
    test = len(facts.test)
    half = 0.98 / math.sqrt(test) if test else 0.0
    if half >= _WIDE:
        lines.append(
            Line(
                cause="few_images",
                severity=0.1 * min(1.0, half),
                sentence=f"There {'is' if test == 1 else 'are'} only {number(test, 'test image')}"
                + ("" if len(facts.own_splits) else f", {percent(test / len(facts.splits))} that the audit set aside"),
                consequence=f"a measured accuracy is only good to about ± {min(50, 100 * half):.0f} points",
                command=f"imageclinic compare {RUN}",
            )
        )
    sizes = facts.sizes
    median = int(sizes.median()) if len(sizes) else 0
    if 0 < median < _PRETRAINED and not facts.found("too_few_images").empty:
        lines.append(
            Line(
                cause="few_images",
                severity=0.03,
                sentence=f"The median class has {number(median, 'image')}, the smallest {int(sizes.iloc[-1]):,}",
                consequence="a network trained from scratch rarely learns from so few: start from pretrained weights",
                command="imageclinic train OUT --model pretrained",
                checks=["too_few_images"],
            )
        )
    return lines
