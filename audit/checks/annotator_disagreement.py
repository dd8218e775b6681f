"""Images whose annotators disagree, and whose consensus is unsure."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.issue_rows import findings
from imageclinic.audit.labels import noise_model
from imageclinic.core.errors import NotApplicable
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
    if annotations["annotator"].nunique() < 2:
        raise NotApplicable("there is one annotator")
    several = consensus[consensus["labels"] > 1]
    if several.empty:
        raise NotApplicable("no image is labelled by two annotators")
    kinds = annotations.groupby("image_id")["label"].nunique()
    torn = several[several["image_id"].map(kinds) > 1]
    flagged = torn[noise_model.flags(torn["wrong"].to_numpy())]
    said = annotations[annotations["image_id"].isin(flagged["image_id"])]
    words = said.groupby("image_id")[["annotator", "label"]].apply(
        lambda rows: few([f"{who}: {name}" for who, name in rows.itertuples(index=False)], 8)
    )
    other = flagged["likeliest"].where(flagged["likeliest"] != flagged["label"])
    return findings(
        image_id=flagged["image_id"],
        score=flagged["wrong"],
        suggested_action=["review" if pd.isna(name) else "relabel" for name in other],
        suggested_label=other,
        evidence=[
            f"{words[row.image_id]}. Together and with the models' predictions {row.likeliest} at {row.probability:.0%}"
            f"; {row.label}, their consensus alone, is likely wrong ({row.wrong:.0%})."
            + ("" if pd.isna(row.ask) else f" Ask next: {row.ask}.")
            for row in flagged.itertuples()
        ],
    )
