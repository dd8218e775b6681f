"""Files that no decoder reads whole, and files that may be sound and can't be read here."""

from __future__ import annotations

from imageclinic.audit.verdict.line import RUN, Facts, Line, number, percent

#: One damaged file ends a training run, whatever their number.
_STOPS = 0.15
#: What a file that can't be read here weighs against one that is simply wrong; and a class of which none is read.
_MISSING, _CLASS_GONE = 0.4, 0.1


def judge(facts: Facts) -> list[Line]:
    """One line for damaged files, one for those that can't be read here."""
    return [*_damaged(facts), *_not_read_here(facts)]


def _damaged(facts: Facts) -> list[Line]:
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


def _not_read_here(facts: Facts) -> list[Line]:
    """They are missing in all that follows; where they are most of a class, the class is."""
    found = facts.found("unreadable_here")
    files = found["image_id"].nunique()
    if not files:
        return []
    known = facts.dataset.dropna(subset=["label"])
    unread = known["image_id"].isin(found["image_id"]).groupby(known["label"]).mean()
    gone = [str(label) for label in unread.index[unread == 1]]
    lost = f"; of {number(len(gone), 'class', 'classes')} none is read" if gone else ""
    return [
        Line(
            cause="files_not_read_here",
            severity=min(1.0, _MISSING * facts.share(files) + _CLASS_GONE * len(gone)),
            sentence=f"{number(files, 'file')} ({percent(facts.share(files))}) can't be read here, though nothing says "
            f"that {'it is' if files == 1 else 'they are'} damaged{lost}",
            consequence="what is not read is not judged, and an export leaves it out: convert, restore or scale down",
            command=f"imageclinic report {RUN}",
            checks=["unreadable_here"],
        )
    ]
