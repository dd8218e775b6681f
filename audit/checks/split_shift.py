"""Splits whose images are of another kind than those that models are trained on."""

from __future__ import annotations

import re
from typing import Annotated

import numpy as np
import pandas as pd

from imageclinic.audit.copies.content_groups import in_order_of_content
from imageclinic.audit.issue_rows import findings
from imageclinic.audit.labels import confident_learning
from imageclinic.audit.labels.transfer import Rows, Transfer, transfer
from imageclinic.core.errors import NotApplicable
from imageclinic.core.option_fields import SHARE, whole
from imageclinic.core.rows import lookup
from imageclinic.core.tables import Embeddings

URGENCY = 200
ABOUT = ("classes",)

#: What a finding's evidence begins with.
_EVIDENCE = re.compile(r"A model trained on train is right on \d+% of [\d,]+ (val|test) images")


def find(
    dataset: pd.DataFrame,
    clusters: pd.DataFrame,
    embeddings: Embeddings,
    *,
    min_drop: Annotated[float, SHARE] = 0.05,
    min_images: Annotated[int, whole(1, 10**9)] = 100,
) -> pd.DataFrame:
    """Test or validation images on which a model trained on the training images is worse, by `min_drop` or more, than
    one trained on as many other images of the same split.

    Why it matters: another camera, scanner, hospital, year or way of labelling. Accuracy on such a test set is low
    whatever is tuned on the training side; validation images that are drawn from train do not show it.

    What to do: find out where the images of each split come from. If the test set is what the model will meet, add
    such images to train, or augment what differs; if not, draw new splits of all images (`imageclinic export`).

    Five-fold cross-validation within the split against models on training images, as many of each class, so that
    neither wrong labels nor few images explain the difference. Classifiers are ridge regressions on the embeddings;
    copies of the split's images are taken out of train, and copies share a fold. Flagged where the 99 % interval of
    the difference lies above 0 and the difference is `min_drop` or more. Not applicable to a dataset that came without
    splits, and with fewer than `min_images` images in those beside train. Score: the difference, as a share of images.
    """
    images = dataset[dataset["label"].notna() & dataset["split"].notna()]
    rows = lookup.places(images["image_id"], embeddings.image_id)
    images = images.assign(row=rows)[rows >= 0]
    if images["split"].nunique() < 2 or not images["split"].eq("train").any():
        raise NotApplicable("the dataset came without splits; those that the audit draws are of one kind")
    sizes = images["split"].value_counts()
    judged = [split for split in ("val", "test") if sizes.get(split, 0) >= min_images]
    if not judged:
        raise NotApplicable(f"neither val nor test has {min_images} images")
    classes = tuple(sorted(images["label"].unique()))
    groups = lookup.values(images["image_id"], clusters, "split_group").astype("str")
    images = images.assign(
        code=confident_learning.codes(images["label"], classes), split_group=groups.fillna(images["image_id"])
    )
    images = in_order_of_content(images)  # folds are drawn in this order
    found = {split: _compare(images, split, embeddings) for split in judged}
    known = {k: v for k, v in found.items() if v is not None}
    if not known:
        raise NotApplicable("fewer than two classes have five images in train and in another split")
    shifted = {split: t for split, t in known.items() if t.low > 0 and t.drop >= min_drop}
    return findings(
        score=[min(1.0, t.drop) for t in shifted.values()],
        suggested_action=["review"] * len(shifted),
        evidence=[_evidence(split, t) for split, t in shifted.items()],
    )


def shifted_splits(issues: pd.DataFrame) -> list[str]:
    """The splits that this check's findings are about."""
    return sorted({known[1] for known in map(_EVIDENCE.match, issues["evidence"]) if known})


def _compare(images: pd.DataFrame, split: str, embeddings: Embeddings) -> Transfer | None:
    target = images[images["split"] == split]
    source = images[images["split"].eq("train") & ~images["split_group"].isin(target["split_group"])]
    sides = [
        (Rows(embeddings.vectors, side["row"].to_numpy()), side["code"].to_numpy(dtype=np.int64))
        for side in (source, target)
    ]
    return transfer(sides[0], sides[1], pd.factorize(target["split_group"])[0].astype(np.int64))


def _evidence(split: str, t: Transfer) -> str:
    return (
        f"A model trained on train is right on {t.across:.0%} of {t.images:,} {split} images, one trained on as many "
        f"{split} images on {t.within:.0%}: {100 * t.drop:.0f} points ({100 * t.low:.0f} to {100 * t.high:.0f}) are "
        "lost to a difference between the splits."
    )
