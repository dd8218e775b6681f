"""What the checks found about each image, in the order in which a person should see it. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from imageclinic.audit import runner


def per_image(issues: pd.DataFrame) -> pd.DataFrame:
    """One row per image with a finding, in the order of the Inbox.

    The order is: the most urgent of the image's checks, then the worst score; images that one check ties
    together as copies (`cluster`) stay side by side, the cluster with the worst score first.

    Args:
        issues: the table ``issues``; findings without an image are left out.

    Returns:
        Columns ``image_id``, ``checks`` (list of str, most urgent first), ``evidence`` (one line per finding,
        ``check: sentence``), ``suggested_label`` (of the most urgent finding that has one, nullable),
        ``queue`` (int64, 0 = first in the Inbox).
    """
    found = issues[issues["image_id"].notna()].copy()
    names = runner.ordered(found["check"])
    found["urgency"] = found["check"].map({name: n for n, name in enumerate(names)}).astype("int64")
    found["unit"] = found["cluster"].where(found["cluster"].notna(), found["image_id"])
    found["worst"] = found.groupby(["check", "unit"])["score"].transform("max")
    found = found.sort_values(["urgency", "score", "image_id"], ascending=[True, False, True], kind="stable")
    first = found.drop_duplicates("image_id").sort_values(
        ["urgency", "worst", "unit", "score", "image_id"], ascending=[True, False, True, False, True]
    )
    result = first[["image_id"]].reset_index(drop=True)
    ids = result["image_id"].tolist()
    # A loop: pandas makes a frame for each group, which is ten times slower.
    checks: dict[str, dict[str, None]] = {image_id: {} for image_id in ids}
    lines: dict[str, list[str]] = {image_id: [] for image_id in ids}
    for image_id, check, evidence in found[["image_id", "check", "evidence"]].itertuples(index=False):
        checks[image_id][check] = None
        lines[image_id].append(f"{check}: {evidence}")
    suggested = found.dropna(subset=["suggested_label"]).drop_duplicates("image_id")
    result["checks"] = pd.Series([list(checks[image_id]) for image_id in ids], dtype="object")
    result["evidence"] = pd.Series(["\n".join(lines[image_id]) for image_id in ids], dtype="str")
    result["suggested_label"] = result["image_id"].map(suggested.set_index("image_id")["suggested_label"])
    result["queue"] = range(len(result))
    return result


def scores(issues: pd.DataFrame) -> pd.DataFrame:
    """The score of every check for every image with a finding: index ``image_id``, one float64 column per
    check (in the order of `audit.runner.ordered`), NaN where it found nothing; the worst of several findings."""
    found = issues[issues["image_id"].notna()]
    table = found.pivot_table(index="image_id", columns="check", values="score", aggfunc="max")
    return table.reindex(columns=runner.ordered(found["check"]))


def spoken_about(decision: str, findings: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Which checks a decision on one image says were right, and which were wrong.

    Findings about copies name a cluster; findings about labels suggest relabelling or come from a check about labels,
    and conflicting labels are about both. Keeping rejects all but findings about copies: one of two copies is always
    kept. Relabelling confirms findings about labels and says nothing else. Dropping one of several copies confirms that
    they are copies and says nothing about the label; dropping an image without copies confirms whatever was found.
    Unsure and undo say nothing.

    Args:
        decision: one of `core.tables.DECISIONS`.
        findings: the image's rows of the table ``issues``.

    Returns:
        (confirmed, rejected): names of checks, sorted.
    """
    copies = findings["cluster"].notna()
    labels = (findings["suggested_action"] == "relabel") | (findings["check"].isin(runner.names_about("labels")))
    match decision:
        case "keep":
            return [], _names(findings, ~copies)
        case "relabel":
            return _names(findings, labels), []
        case "drop":
            return _names(findings, copies if copies.any() else ~copies), []
        case _:
            return [], []


def _names(findings: pd.DataFrame, mask: pd.Series) -> list[str]:
    chosen: Sequence[str] = findings.loc[mask, "check"].tolist()
    return sorted(set(chosen))
