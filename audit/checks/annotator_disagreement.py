"""Images whose annotators disagree, and whose consensus is unsure."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.issue_rows import findings
from imageclinic.audit.labels import noise_model
from imageclinic.core.naming.wording import few

URGENCY = 15
ABOUT = ("labels",)


def find(annotations: pd.DataFrame, consensus: pd.DataFrame) -> pd.DataFrame:
    """Images whose annotators disagree, and whose consensus is likely wrong.

    Why it matters: the label that an image has is the one that its annotators together make likeliest. Where they
    disagree that may be the wrong one, and more labels settle it.

    What to do: decide about the worst, or ask the annotator who is named: the best one who has not labelled the image.
    `consensus.parquet` has all images, `imageclinic report` how good each annotator is.

    Each annotator has a noise matrix of their own, fitted by expectation maximisation (Dawid & Skene, 1979) together
    with what cross-validated models predict for the image, see docs/annotators.md. Score: the probability that the
    label is wrong. Of the images whose annotators disagree so many are flagged that the expected F1 score is greatest.
    """
    kinds = annotations.groupby("image_id")["label"].nunique()
    torn = consensus[consensus["image_id"].map(kinds) > 1]
    flagged = torn[noise_model.flags(torn["wrong"].to_numpy())]
    said = annotations[annotations["image_id"].isin(flagged["image_id"])].sort_values(["image_id", "annotator"])
    words: dict[str, list[str]] = {}
    for image_id, who, label in zip(said["image_id"], said["annotator"], said["label"], strict=True):
        words.setdefault(image_id, []).append(f"{who}: {label}")
    other = flagged["likeliest"].where(flagged["likeliest"] != flagged["label"])
    columns = ("image_id", "label", "likeliest", "probability", "wrong", "ask")
    rows = zip(*(flagged[name].tolist() for name in columns), strict=True)
    return findings(
        image_id=flagged["image_id"],
        score=flagged["wrong"],
        suggested_action=["review" if pd.isna(name) else "relabel" for name in other],
        suggested_label=other,
        evidence=[
            f"{few(words[image_id], 8)}. Their consensus, {label}, is wrong at {wrong:.0%}: with models that did not "
            f"see it {likeliest} at {share:.0%}." + ("" if pd.isna(ask) else f" Ask next: {ask}.")
            for image_id, label, likeliest, share, wrong, ask in rows
        ],
    )
