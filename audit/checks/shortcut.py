"""Properties of the files from which the label can be guessed without looking at what they show."""

from __future__ import annotations

import re
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from imageclinic.audit import split_groups
from imageclinic.audit.copies.content_groups import in_order_of_content
from imageclinic.audit.issue_rows import findings
from imageclinic.audit.labels import image_properties
from imageclinic.audit.labels.image_properties import Property, contrast, p_value
from imageclinic.audit.labels.separability import Separation
from imageclinic.core.errors import NotApplicable
from imageclinic.core.naming.wording import few
from imageclinic.core.option_fields import SHARE, whole
from imageclinic.core.rows import lookup

URGENCY = 200
ABOUT = ("classes",)

Mask = npt.NDArray[np.bool_]

#: So many classes are named in the evidence.
_NAMED = 3


#: Groups of classes that share so much are set apart by one cause.
_SAME = 0.5
#: Properties that say how an image was made; the others depend on what it shows as well.
_TECHNICAL = (
    *("border", "width", "height", "area", "aspect ratio", "format", "JPEG quality", "mode", "camera"),
    "source folder",
)
#: Sunflowers are yellow: in classes of 25 photographs, colour reached 0.88 by nature.
_MORE_THAN_NATURE = 0.92
_ACCURACY = re.compile(r"\(balanced accuracy (\d\.\d\d), chance")
_OTHERS = re.compile(r"can be told from the other (\d+) classes")
#: What a finding's evidence begins with. The last match counts: names of classes may hold anything.
_EVIDENCE = re.compile(
    r"(By [A-Za-z ]+ alone, .* can be told from .*): .*; balanced accuracy (\d\.\d\d) on images left out", re.S
)


_Separated = tuple[Property, Separation, float]


def find(
    dataset: pd.DataFrame,
    features: pd.DataFrame,
    clusters: pd.DataFrame,
    *,
    min_accuracy: Annotated[float, SHARE] = 0.8,
    alpha: Annotated[float, SHARE] = 0.01,
    min_images: Annotated[int, whole(1, 10**9)] = 20,
) -> pd.DataFrame:
    """Properties such as brightness, size, format, camera or source folder that alone set a class, or several,
    apart from the rest: with a balanced accuracy of `min_accuracy` or more (0.5 is chance).

    Why it matters: a network takes the easiest way. If all cats are PNG, or all malignant moles were photographed
    with a ruler under one lamp, it learns that, does well on a test set with the same fault, and fails elsewhere.

    What to do: find out whether the property belongs to the class or to how its images were collected. Coal is darker
    than snow, and a 1 has fewer edges than an 8: such a finding is true and harmless. Else make it equal for all
    classes: encode and scale all images in one way, mix sources within each class, augment what differs, and test on
    images in which the property does not go with the label.

    Tried: brightness, contrast, colour, entropy, sharpness, border (plain bars at the edges, as of a frame), width,
    height, area, aspect ratio, file size, bytes per pixel, format, JPEG quality (by its quantisation), mode, camera
    (EXIF) and source folder. Folders named after the class, and folders that hold images
    of one class only (sub-classes, persons), don't count. Each is cut into bins; four fifths of the images teach which
    bins speak for which classes, the rest is guessed by that. Of copies, and of images of one group, only one per class
    is used, and classes with fewer than `min_images` of such images are left out. Significant: p under
    `alpha`, by Holm's correction for the number of properties (Holm, 1979; see `audit/labels/separability.py`). By
    nature, classes of photographs reached 0.68, hand signs 0.76 and written digits 0.81: a 1 takes fewer bytes than the
    others.

    Properties that set the same classes apart are one finding, with the strongest of them: a class from another source
    often differs in width, height, file size and sharpness at once.

    Score: 2 · accuracy − 1, so 0 for chance and 1 for a property that tells the classes apart without a fault.
    """
    images = _independent(dataset, features, clusters)
    sizes = images["label"].value_counts()
    if (sizes < min_images).any():
        images = images[images["label"].isin(sizes.index[sizes >= min_images])].reset_index(drop=True)
    labels, classes = pd.factorize(images["label"], sort=True)
    if len(classes) < 2:
        raise NotApplicable(
            f"{len(classes)} of {len(sizes)} classes have {min_images} or more images that are no copies: 2 are needed"
        )
    properties, folds = _properties(images), images["fold"].to_numpy()
    del images  # most of it is no property
    tried = image_properties.separations(properties, labels.astype(np.int64), folds, len(classes))
    separated = [row for row in tried if row[2] < alpha and row[1].accuracy >= min_accuracy]
    causes = _by_cause(separated)
    strongest = [cause[0] for cause in causes]
    alone = [found.group.sum() == 1 and len(classes) > 2 for _, found, _ in strongest]
    return findings(
        label=[
            classes[int(found.group.argmax())] if one else None
            for (_, found, _), one in zip(strongest, alone, strict=True)
        ],
        score=[min(1.0, 2 * found.accuracy - 1) for _, found, _ in strongest],
        suggested_action=["review"] * len(causes),
        evidence=[_evidence(*cause[0], classes, labels, len(tried)) + _folded(cause[1:]) for cause in causes],
    )


def headline(evidence: str) -> str:
    """The first half of a finding's evidence: which property separates what from what, and how well."""
    separated = _EVIDENCE.match(evidence)
    return f"{separated[1]} (balanced accuracy {separated[2]}, chance 0.50)" if separated else evidence


def share_of_classes(evidence: str, classes: int) -> float:
    """What share of the classes a finding sets apart."""
    others = _OTHERS.findall(headline(evidence))
    return 1 - int(others[-1]) / classes if others and int(others[-1]) < classes else 0.5


def is_technical(evidence: str) -> bool:
    """Whether the property of a finding says how images were made and not what they show."""
    return any(evidence.startswith(f"By {name} alone, ") for name in _TECHNICAL)


def is_natural(headline_of: str) -> bool:
    """Whether classes may well differ so by what they show: a property of pictures, and no nearly perfect separation.

    Args:
        headline_of: see `headline`.
    """
    accuracy = _ACCURACY.search(headline_of)
    return not is_technical(headline_of) and accuracy is not None and float(accuracy[1]) < _MORE_THAN_NATURE


def _by_cause(separated: list[_Separated]) -> list[list[_Separated]]:
    """Properties that set apart the same classes, most of them, come from one cause: the strongest first."""
    causes: list[list[_Separated]] = []
    for each in sorted(separated, key=lambda t: -t[1].accuracy):
        same = next((c for c in causes if _overlap(c[0][1].group, each[1].group) >= _SAME), None)
        if same is None:
            causes.append([each])
        else:
            same.append(each)
    return causes


def _overlap(one: Mask, two: Mask) -> float:
    """Jaccard index of two groups of classes, or of one and the complement of the other."""
    return max(float((one & other).sum() / max(1, (one | other).sum())) for other in (two, ~two))


def _folded(others: list[_Separated]) -> str:
    if not others:
        return ""
    named = ", ".join(f"{candidate.name} ({found.accuracy:.2f})" for candidate, found, _ in others)
    return f" Separated nearly as well by {named}."


def _independent(dataset: pd.DataFrame, features: pd.DataFrame, clusters: pd.DataFrame) -> pd.DataFrame:
    """One labelled, readable image per class and split group, with its properties and its fold."""
    known = dataset.loc[dataset["label"].notna(), ["image_id", "label", "sha256"]]
    known = lookup.joined(known, features, ())
    groups = split_groups.named_by_content(known, clusters)
    in_groups = lookup.among(known["image_id"], clusters["image_id"])
    firsts = in_order_of_content(known[in_groups].assign(split_group=groups[in_groups]))
    firsts = firsts.drop_duplicates(["label", "split_group"])
    known = known[["image_id", "label"]].assign(fold=image_properties.folds_of(groups))
    del groups  # as large as all of these
    known = known[~in_groups | lookup.among(known["image_id"], firsts["image_id"])]
    known = known.join(dataset.loc[known.index, list(image_properties.OF_DATASET)])
    return lookup.joined(known, features, image_properties.OF_FEATURES).reset_index(drop=True)


def _properties(images: pd.DataFrame) -> list[Property]:
    folders = Property("source folder", _folders(images["image_id"], images["label"]))
    return [*image_properties.of_images(images), folders]


def _folders(image_id: pd.Series, label: pd.Series) -> pd.Series:
    """The folders of each image without the one that is named after its class; "" where that path holds one class."""
    # Few folders hold millions of images.
    folder = pd.Series(pc.replace_substring_regex(pa.array(image_id, pa.large_string()), "/?[^/]*$", "").to_pandas())
    kind, first = lookup.kinds(folder, label)
    distinct = pd.DataFrame({"folder": folder.iloc[first].array, "label": label.iloc[first].array})
    sources = []
    for path, name in zip(distinct["folder"], distinct["label"], strict=True):
        parts = path.split("/")
        if name in parts:
            parts.remove(name)
        sources.append("/".join(parts))
    distinct = distinct.assign(source=pd.Series(sources, index=distinct.index, dtype="str"))
    shared = distinct.groupby("source")["label"].transform("nunique") > 1
    distinct["source"] = distinct["source"].where(shared, "")
    return distinct["source"].iloc[kind].reset_index(drop=True)


def _evidence(
    candidate: Property, found: Separation, p: float, classes: pd.Index, labels: np.ndarray, tried: int
) -> str:
    names = classes[found.group]
    rest = classes[~found.group]
    group = few([str(name) for name in names], _NAMED)
    others = str(rest[0]) if len(rest) == 1 else f"the other {len(rest)} classes"
    mask = found.group[labels]
    sentence = (
        f"By {candidate.name} alone, {group} can be told from {others}: {contrast(candidate, mask)}; balanced "
        f"accuracy {found.accuracy:.2f} on images left out (chance 0.50, p {p_value(p)} over {tried} properties)"
    )
    if len(classes) > 2:
        sentence += f"; {found.class_accuracy:.2f} for naming the class (chance {1 / len(classes):.2f})"
    return sentence + "."
