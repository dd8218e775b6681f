"""Files that no decoder reads whole."""

from __future__ import annotations

from imageclinic.audit.verdict.line import RUN, Facts, Line, number

#: One such file ends a training run, whatever their number.
_STOPS = 0.15


def judge(facts: Facts) -> list[Line]:
    """They distort nothing while training stops, and whatever the decoder fills in when it does not."""
    files = facts.found("corrupted")["image_id"].nunique()
    if not files:
        return []
    return [
        Line(
            cause="unreadable_files",
            severity=min(1.0, _STOPS + facts.share(files)),
            sentence=f"{number(files, 'file')} can't be decoded whole",
            consequence="training stops at the first of them, or learns what the decoder fills in; an export leaves "
            "them out",
            command=f"imageclinic export {RUN} OUT",
            checks=["corrupted"],
        )
    ]
