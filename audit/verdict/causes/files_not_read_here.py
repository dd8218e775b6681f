"""Files that may be sound and can't be read here."""

from __future__ import annotations

from imageclinic.audit.verdict.line import RUN, Facts, Line, number, percent

#: What such a file weighs against one that is simply wrong: it may be needed, and is missing.
_MISSING = 0.4


def judge(facts: Facts) -> list[Line]:
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
            severity=min(1.0, _MISSING * facts.share(files) + 0.1 * len(gone)),
            sentence=f"{number(files, 'file')} ({percent(facts.share(files))}) can't be read here, though nothing says "
            f"that {'it is' if files == 1 else 'they are'} damaged{lost}",
            consequence="what is not read is not judged, and an export leaves it out: convert, restore or scale down",
            command=f"imageclinic report {RUN}",
            checks=["unreadable_here"],
        )
    ]
