"""The share of wrong labels (``label_noise`` of run.json) in sentences that are true on any dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imageclinic.audit.verdict.line import percent

#: Up to this share, whatever is wrong matters little.
_HARDLY = 0.03


def in_words(noise: Mapping[str, Any]) -> str:
    """All that is known of the labels as a whole."""
    ceiling = ceiling_in_words(noise)
    return share_in_words(noise) + (f" {ceiling[:1].upper()}{ceiling[1:]}." if ceiling else "")


def beside(noise: Mapping[str, Any] | None, headlines: Sequence[Mapping[str, Any]]) -> str:
    """`in_words`, but "" where nothing is known, or where one of the verdict's lines has it already."""
    if noise is None or any(share_in_words(noise).rstrip(".") in line["sentence"] for line in headlines):
        return ""
    return in_words(noise)


def share_in_words(noise: Mapping[str, Any]) -> str:
    """The interval, or why there is none."""
    if "established" not in noise:  # an audit by an earlier version, which knew no interval
        return f"About {noise['share']:.0%} of the labels may be wrong (by an earlier version: audit again)."
    low, high = noise["low"], noise["high"]
    if high is None:
        return "Too few images to say how many labels are wrong."
    if noise["established"]:
        return f"About {_interval(low, high)} of the labels seem to be wrong (model-based)."
    if high <= _HARDLY:
        least = f"{percent(low)} to" if low else "at most"
        return f"Hardly any label seems to be wrong: {least} about {percent(high)} (model-based)."
    right = f" (they name {noise['accuracy']:.0%} of the classes right)" if noise.get("accuracy") is not None else ""
    least = f"at least {percent(low)} and " if low >= 0.001 else ""
    return (
        f"The features can't tell wrong labels from hard images{right}: {least}up to {percent(high)} of the labels may "
        "be wrong."
    )


def ceiling_in_words(noise: Mapping[str, Any]) -> str:
    """What wrong test labels do to a measured accuracy; empty unless the dataset has test labels and errors are
    established among them."""
    if noise.get("ceiling_low") is None or noise.get("ceiling") is None:
        return ""
    between = _interval(noise["ceiling_low"], noise["ceiling"])
    return f"even a perfect model would measure about {between} on the test labels"


def _interval(low: float, high: float) -> str:
    one, two = percent(low), percent(high)
    return two if one == two else f"{one.removesuffix(' %')} to {two}"
