"""Findings against a known truth: precision and recall of every check."""

from __future__ import annotations

import pandas as pd


def score(issues: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Count what each check found of what was planted for it.

    An image, or a class where `image_id` is null, counts once per check.

    Args:
        issues: `check, image_id, label` and more, as in `tables.ISSUES`.
        truth: `check, image_id, label`: one row per image (or class) and check that must find it.

    Returns:
        One row per check that is in either, by name: `check, planted, found` (planted and flagged), `flagged`,
        `elsewhere` (flagged, and planted for another check only: a dark blur that is also an outlier), `precision`
        = found / flagged and `recall` = found / planted, null where nothing was flagged or planted.
    """
    flagged, planted = _subjects(issues), _subjects(truth)
    anywhere = set(planted["subject"])
    rows = []
    for check in sorted(set(flagged["check"]) | set(planted["check"])):
        ours = set(flagged.loc[flagged["check"] == check, "subject"])
        right = set(planted.loc[planted["check"] == check, "subject"])
        found = len(ours & right)
        rows.append(
            {
                "check": check,
                "planted": len(right),
                "found": found,
                "flagged": len(ours),
                "elsewhere": len((ours & anywhere) - right),
                "precision": found / len(ours) if ours else None,
                "recall": found / len(right) if right else None,
            }
        )
    columns = ["check", "planted", "found", "flagged", "elsewhere", "precision", "recall"]
    return pd.DataFrame(rows, columns=columns).astype({"precision": "float64", "recall": "float64"})


def _subjects(rows: pd.DataFrame) -> pd.DataFrame:
    """`check` and `subject`: what a row is about, an image or a class."""
    images = "image " + rows["image_id"].astype("str")
    classes = "class " + rows["label"].astype("str")
    return pd.DataFrame({"check": rows["check"], "subject": images.where(rows["image_id"].notna(), classes)})
