"""What was decided, in few lines whatever the number of images and classes."""

from __future__ import annotations

import pandas as pd

#: So many classes are named with their counts, and so many images as examples.
MOST_CLASSES, MOST_EXAMPLES = 8, 5


def decision_lines(events: pd.DataFrame) -> list[str]:
    """A line for each kind of decision with its classes, the largest first, then examples.

    Args:
        events: image_id, decision, given_label, label, note.
    """
    lines = []
    for decision, rows in events.groupby("decision", sort=True):
        change = rows["given_label"].fillna("no label").astype("str")
        if decision == "relabel":
            change = change + " → " + rows["label"].fillna("no label").astype("str")
        counts = change.value_counts().sort_index().sort_values(ascending=False, kind="stable")
        named = ", ".join(f"{name} {n:,}" for name, n in counts.head(MOST_CLASSES).items())
        rest = len(counts) - MOST_CLASSES
        more = f" and {counts.iloc[MOST_CLASSES:].sum():,} of {rest:,} more" if rest > 0 else ""
        lines.append(f"{decision}: {len(rows):,} ({named}{more})")
    for row in events.head(MOST_EXAMPLES).itertuples():
        to = f" → {row.label}" if isinstance(row.label, str) else ""
        note = f": {row.note}" if isinstance(row.note, str) and row.note else ""
        lines.append(f"  {row.image_id} {row.decision}{to}{note}")
    if len(events) > MOST_EXAMPLES:
        lines.append(f"  and {len(events) - MOST_EXAMPLES:,} more (--json has all)")
    return lines
