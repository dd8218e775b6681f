"""Properties of files and pictures, by which groups of images may be told apart without looking at what they show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.labels.separability import Codes, Separation, bins_for, holm, number_codes, separation

#: So many of the commonest formats, cameras, folders count for themselves; the rest counts as one.
_MOST_NAMES = 256
_FOLDS = 5
_PIECE = 1 << 16
#: Columns of the tables that `of_images` looks at.
OF_DATASET = ("bytes", "width", "height", "format", "mode")
OF_FEATURES = ("luminance_mean", "contrast", "colour", "entropy", "sharpness", "border", "jpeg_quality", "camera")


@dataclass(frozen=True)
class Property:
    """`values`: a number or a name for each image; `unit` and `digits` for people."""

    name: str
    values: pd.Series  # of numbers, or of names
    unit: str = ""
    digits: int = 2

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers."""
        return bool(pd.api.types.is_numeric_dtype(self.values))


def of_images(images: pd.DataFrame) -> list[Property]:
    """The properties that the tables hold, of images with the columns `OF_DATASET` and `OF_FEATURES`."""
    width, height = images["width"].astype("float64"), images["height"].astype("float64")
    size = images["bytes"].astype("float64")
    return [
        Property("brightness", images["luminance_mean"]),
        Property("contrast", images["contrast"]),
        Property("colour", images["colour"]),
        Property("entropy", images["entropy"], " bits"),
        Property("sharpness", images["sharpness"], digits=3),
        Property("border", images["border"].astype("float64").fillna(0.0), " of the area"),
        Property("width", width, " pixels", 0),
        Property("height", height, " pixels", 0),
        Property("area", width * height, " pixels", 0),
        Property("aspect ratio", width / height),
        Property("file size", size, " bytes", 0),
        Property("bytes per pixel", size / (width * height)),
        Property("format", images["format"].fillna("none")),
        Property("JPEG quality", images["jpeg_quality"].astype("float64").fillna(0.0), digits=0),
        Property("mode", images["mode"].fillna("none")),
        Property("camera", images["camera"].fillna("no camera")),
    ]


def separations(
    candidates: Iterable[Property], labels: Codes, folds: Codes, classes: int
) -> list[tuple[Property, Separation, float]]:
    """How well each property alone tells classes apart, and the probability of so much by chance, corrected for the
    number of properties (Holm, 1979).

    Args:
        candidates: properties of the same n images.
        labels: (n,), the class of each, 0 to classes − 1, each of them there.
        folds: (n,), the fold of each, see `folds_of`.
        classes: how many there are, at least 2.

    Returns:
        One row for each property that varies; of several that cut the images alike (all images are square), the first.
    """
    tried: list[tuple[Property, Separation]] = []
    seen: list[npt.NDArray[np.int16]] = []
    for candidate in candidates:
        codes = _codes(candidate, classes)
        small = codes.astype(np.int16)
        if codes.max() > 0 and not any(np.array_equal(small, other) for other in seen):
            seen.append(small)
            tried.append((candidate, separation(codes, labels, folds, classes)))
    corrected = holm([found.p for _, found in tried])
    return [(candidate, found, float(p)) for (candidate, found), p in zip(tried, corrected, strict=True)]


def folds_of(groups: pd.Series) -> Codes:
    """(n,), the fold of each image by the name of its split group, whose images are so in one fold. A piece at a time,
    for these are Python strings."""
    starts = range(0, len(groups), _PIECE)
    pieces = (groups.iloc[start : start + _PIECE].to_numpy(dtype=object) for start in starts)
    hashes = [pd.util.hash_array(piece, categorize=False) % _FOLDS for piece in pieces]
    return np.concatenate([*hashes, []]).astype(np.int64)


def _codes(candidate: Property, classes: int) -> Codes:
    values = candidate.values
    if candidate.is_number:
        return number_codes(values, bins_for(len(values), classes))
    own, names = pd.factorize(values, sort=True)
    order = np.argsort(-np.bincount(own, minlength=len(names)), kind="stable")[:_MOST_NAMES]
    code = np.full(len(names) + 1, len(order), dtype=np.int64)  # the last one is of null
    code[order] = np.arange(len(order))
    return code[own]


def contrast(candidate: Property, group: npt.NDArray[np.bool_]) -> str:
    """How the group's values differ from the others'."""
    inside, outside = candidate.values[group], candidate.values[~group]
    if candidate.is_number:
        medians = (f"{float(v.median()):,.{candidate.digits}f}" for v in (inside, outside))
        return f"median {' against '.join(medians)}{candidate.unit}"
    inside_share, outside_share = inside.value_counts(normalize=True), outside.value_counts(normalize=True)
    gap = inside_share.sub(outside_share, fill_value=0.0).sort_index()
    most = str(gap.idxmax())
    of_group, of_rest = float(inside_share.get(most, 0.0)), float(outside_share.get(most, 0.0))
    return f"{most or 'no folder'} in {of_group:.0%} against {of_rest:.0%}"


def p_value(p: float) -> str:
    """A p-value after its letter: "= 0.003" or "< 1e-12"."""
    return "< 1e-12" if p < 1e-12 else f"= {p:.1g}"
