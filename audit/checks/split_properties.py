"""Splits whose images can be told from the training images by how bright, sharp, large or stored they are."""

from __future__ import annotations

import re
from typing import Annotated

import numpy as np
import pandas as pd

from imageclinic.audit import split_groups
from imageclinic.audit.copies.content_groups import in_order_of_content
from imageclinic.audit.issue_rows import findings
from imageclinic.audit.labels import image_properties
from imageclinic.core.errors import NotApplicable
from imageclinic.core.option_fields import SHARE, whole
from imageclinic.core.rows import lookup

URGENCY = 200
ABOUT = ("classes",)

#: What a network sees, whatever the size and the file that a picture comes in.
_SEEN = ("brightness", "contrast", "colour", "entropy", "sharpness", "border", "mode")
#: What a finding's evidence begins with.
_EVIDENCE = re.compile(
    r"(By ([A-Za-z ]+) alone, (?:val|test) images can be told from train images .*); balanced accuracy (\d\.\d\d)", re.S
)


def find(
    dataset: pd.DataFrame,
    features: pd.DataFrame,
    clusters: pd.DataFrame,
    *,
    min_accuracy: Annotated[float, SHARE] = 0.8,
    alpha: Annotated[float, SHARE] = 0.01,
    min_images: Annotated[int, whole(1, 10**9)] = 20,
) -> pd.DataFrame:
    """Test or validation images that one property, such as brightness or size, tells from training images of the same
    classes: with a balanced accuracy of `min_accuracy` or more (0.5 is chance).

    Why it matters: splits that were drawn from the same pictures don't differ so. These come from another camera, year,
    website or program, and accuracy on them says how a model bears that, on top of what it has learnt.

    What to do: find out where the images of each split come from. If the test set is what the model will meet, add
    such images to train, or augment what differs (brightness, blur, compression); if not, draw new splits of all images
    (`imageclinic export`). A size or a format alone is often harmless: every image is decoded and scaled.

    Tried: the properties of `shortcut` without folders. Of each class as many images of the split as of train are
    compared, so that other shares of the classes explain nothing; of copies one counts. Cut into bins, four fifths of
    the images teach which bins speak for which split, and the rest is guessed by that (see
    `audit/labels/separability.py`). Significant: p under `alpha`, by Holm's correction for the number of properties.
    Not applicable to a dataset that came without splits, and with fewer than `min_images` such images in a split.

    Score: 2 · accuracy − 1, so 0 for chance and 1 for a property that tells the splits apart without a fault. What a
    network sees (brightness, contrast, colour, entropy, sharpness, border, mode) comes before a property of the file.
    """
    came = dataset["label"].notna() & dataset["split"].notna()
    came &= lookup.among(dataset["image_id"], features["image_id"])
    known = dataset.loc[came, ["image_id", "label", "split", "sha256"]]
    if known["split"].nunique() < 2 or not known["split"].eq("train").any():
        raise NotApplicable("the dataset came without splits; those that the audit draws are of one kind")
    known["split_group"] = split_groups.named_by_content(known, clusters)
    known = in_order_of_content(known).drop_duplicates(["split", "split_group"])
    pairs = {split: _matched(known, split) for split in ("val", "test") if known["split"].eq(split).any()}
    # Of few images properties are looked up: of as many of train as of the other split.
    pairs = {
        split: lookup.joined(
            lookup.joined(images, dataset, image_properties.OF_DATASET), features, image_properties.OF_FEATURES
        )
        for split, images in pairs.items()
    }
    judged = {split: images for split, images in pairs.items() if len(images) >= 2 * min_images}
    if not judged:
        raise NotApplicable(f"neither val nor test has {min_images} images of classes that train has")
    found = [row for split, images in judged.items() for row in _separated(images, split, min_accuracy, alpha)]
    return findings(
        score=[score for score, _ in found],
        suggested_action=["review"] * len(found),
        evidence=[evidence for _, evidence in found],
    )


def is_seen(evidence: str) -> bool:
    """Whether the property of a finding is one that a network sees."""
    known = _EVIDENCE.match(evidence)
    return known is not None and known[2] in _SEEN


def headline(evidence: str) -> str:
    """The first half of a finding's evidence: which property tells what from what, and how well."""
    known = _EVIDENCE.match(evidence)
    return f"{known[1]} (balanced accuracy {known[3]}, chance 0.50)" if known else evidence


def _matched(known: pd.DataFrame, split: str) -> pd.DataFrame:
    """Images of the split and of train, as many of one as of the other in each class, drawn by lot."""
    both = known[known["split"].isin(("train", split))]
    counts = both.groupby(["label", "split"]).size().unstack(fill_value=0)
    order = np.random.default_rng(0).permutation(len(both))
    mixed = both.iloc[order]
    place = mixed.groupby(["label", "split"]).cumcount()
    kept = place < mixed["label"].map(counts.min(axis=1))  # 0 for a class that one of them lacks
    return in_order_of_content(mixed[kept])


def _separated(images: pd.DataFrame, split: str, min_accuracy: float, alpha: float) -> list[tuple[float, str]]:
    """Score and evidence of the strongest property; the others are named behind it."""
    own = images["split"].eq(split).to_numpy()
    tried = image_properties.separations(
        image_properties.of_images(images), own.astype(np.int64), image_properties.folds_of(images["split_group"]), 2
    )
    found = [(one, how.accuracy, p) for one, how, p in tried if p < alpha and how.accuracy >= min_accuracy]
    if not found:
        return []
    found.sort(key=lambda row: (row[0].name not in _SEEN, -row[1]))
    (strongest, accuracy, p), others = found[0], found[1:]
    sentence = (
        f"By {strongest.name} alone, {split} images can be told from train images of the same classes: "
        f"{image_properties.contrast(strongest, own)}; balanced accuracy {accuracy:.2f} on images left out (chance "
        f"0.50, p {image_properties.p_value(p)} over {len(tried)} properties, {own.sum():,} images of either)."
    )
    if others:
        sentence += " So can they by " + ", ".join(f"{one.name} ({share:.2f})" for one, share, _ in others) + "."
    return [(min(1.0, 2 * accuracy - 1), sentence)]
