"""What the App shows of a run: one row per image to load. Frames only, no FiftyOne."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from imageclinic.cleaning.decisions import label_ranking, priority
from imageclinic.cleaning.decisions.settled import settled
from imageclinic.cleaning.review.dataset import browser_pictures
from imageclinic.cleaning.review.dataset.fields import FIELDS, TESTED
from imageclinic.cleaning.review.dataset.kept_rows import Rows
from imageclinic.core import tables
from imageclinic.core.predicted import tested_images
from imageclinic.core.rows import lookup
from imageclinic.core.run import Run

#: What is known of an image where the run has this table.
_KNOWN_BY = {"cluster": tables.CLUSTERS, "split": tables.SPLIT_TABLE}


def collect(
    run: Run,
    rows: Rows,
    current: pd.DataFrame,
    survivors: pd.DataFrame | None,
    progress: Callable[[int, int], None] | None,
    tested: pd.DataFrame,
) -> tuple[pd.DataFrame, list[str]]:
    """One row per image to load, in the order of the Inbox and then of the dataset, and the checks.

    Args:
        run: the run.
        rows: about the images to load.
        current: see `cleaning.decisions.decision_log.current`.
        survivors: see `cleaning.decisions.survivors.choose`; None: not known.
        progress: called with (done, total) while pictures are converted.
        tested: see `tested_of`.
    """
    dataset, issues, about = rows.dataset, rows.issues, rows.about
    current = current[lookup.among(current["image_id"], dataset["image_id"])]
    latest = label_ranking.newest(run)
    doubt = label_ranking.doubt(issues, tables.read(latest, tables.RERANK) if latest else None)
    labels = issues["check"].eq(label_ranking.CHECK)
    urgency = issues["score"].mask(labels, issues["image_id"].map(doubt).fillna(issues["score"]))
    found, scores = priority.per_image(issues.assign(score=urgency)), priority.scores(issues)
    items = dataset.merge(found, on="image_id", how="left").merge(scores, on="image_id", how="left")
    known = [column for column, table in _KNOWN_BY.items() if run.has(table)]
    items = items.drop(columns="split" if "split" in known else [])
    items = items.merge(about[["image_id", *known]], on="image_id", how="left")
    if survivors is not None:
        # Where nobody was chosen (labels conflict), nobody is marked.
        resolved = survivors.groupby("cluster")["survivor"].transform("any")
        group = "group " + lookup.values(survivors["image_id"], about, "group").astype("Int64").astype("str")
        marks = group + survivors["survivor"].map({True: ": would stay", False: ": copy"})
        marks = marks.where(resolved)
        items["survivor"] = lookup.values(items["image_id"], survivors.assign(survivor=marks), "survivor")
    decided = current.rename(columns={"label": "decided_label"})
    decided = decided.rename(columns={"note": "who_decided_what"})
    kept = ["image_id", "decision", "decided_label", "reviewer", "decided_at", "disputed", "who_decided_what"]
    items = items.merge(decided[[c for c in kept if c in decided]], on="image_id", how="left")
    if "cluster" in items:
        now = dict(zip(current["image_id"], current["decision"].where(current["decision"].notna(), None), strict=True))
        items["settled"] = items["image_id"].isin(settled(issues, items[["image_id", "cluster"]], now))
    items = items.merge(_confidence(run, found), on="image_id", how="left")
    items["proposal"] = "→ " + items["suggested_label"].astype("str")
    items["doubt"] = items["image_id"].map(doubt)
    items["calibrate"] = items["image_id"].map(about.set_index("image_id")["calibrate"]).astype("float64")
    items = items.merge(tested, on="image_id", how="left")
    items = items.reindex(columns=list(dict.fromkeys([*items.columns, *FIELDS])))
    items = items.sort_values(["queue", "image_id"], kind="stable", na_position="last", ignore_index=True)
    open_ones = items["decision"].isna() & ~items["settled"].eq(True)
    items["in_inbox"] = items["queue"].notna() & open_ones
    at = run.files
    files = pd.Series([at.absolute(image_id) for image_id in items["image_id"].tolist()], dtype="object")
    shown = browser_pictures.shown(run, items[dataset.columns.intersection(items.columns)], files, progress)
    items["display_path"] = shown.to_numpy()
    # FiftyOne identifies images by the file's name, and a database holds valid Unicode only.
    named = files.map(browser_pictures.says_image)
    items["filepath"] = np.where(named, files, shown)
    return items, list(scores.columns)


def tested_of(run: Run) -> pd.DataFrame:
    """What the trainings of the comparison say of each test image; empty without a comparison."""
    empty = pd.DataFrame({"image_id": pd.Series(dtype="str"), **{name: pd.Series(dtype="object") for name in TESTED}})
    if not run.has(tested_images.TEST_PREDICTIONS):
        return empty
    rows = run.read(tested_images.TEST_PREDICTIONS)
    images, trainings = tested_images.per_image(rows), tested_images.trainings(rows)
    if images.empty or not trainings[1]:
        return empty
    wrong = images["right_after"] <= 0.5
    return images[["image_id"]].assign(
        cleaning_effect=images["effect"],
        test_gain=images["right_after"] - images["right_before"],
        test_wrong=1 - images["right_after"],
        test_predicted=images["after"].where(wrong, None),
        test_words=[tested_images.sentence(row, trainings) for row in images.to_dict("records")],
    )


def _confidence(run: Run, found: pd.DataFrame) -> pd.DataFrame:
    """The model's out-of-fold probability of each suggested label, where there are predictions."""
    suggested = found.dropna(subset=["suggested_label"]).set_index("image_id")["suggested_label"]
    if not run.predictions.is_file():
        return pd.DataFrame({"image_id": pd.Series(dtype="str"), "confidence": pd.Series(dtype="float64")})
    predictions = run.read_predictions()
    position = pd.Series(range(len(predictions.rows)), index=predictions.rows["image_id"])
    column = {name: n for n, name in enumerate(predictions.classes)}
    known = suggested[suggested.index.isin(position.index) & suggested.isin(column)]
    values = predictions.pred_probs[position[known.index].to_numpy(), known.map(column).to_numpy(dtype=int)]
    return pd.DataFrame({"image_id": known.index, "confidence": values.astype("float64")})
