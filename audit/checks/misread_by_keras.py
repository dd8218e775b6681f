"""Images of which Keras's own loaders give another picture than a person sees."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Annotated, Any

import pandas as pd

from imageclinic.audit.issue_rows import findings
from imageclinic.core.option_fields import SHARE
from imageclinic.core.pictures.keras_pictures import keras_misreads
from imageclinic.core.pixels import deep
from imageclinic.core.rows import lookup

URGENCY = 85
ABOUT = ("images",)

_REMEDY = "`imageclinic export --reencode png` writes what a person sees"
#: Entropy in bits under which a picture shows nothing.
_NOTHING = 0.1


def find(dataset: pd.DataFrame, features: pd.DataFrame, *, least: Annotated[float, SHARE] = 0.004) -> pd.DataFrame:
    """Images of which Keras's loaders (`image_dataset_from_directory`, `load_img`, `tf.io.decode_image`) give another
    picture than a person sees.

    Why it matters: black line art on a transparent ground is all black to a model, and a 12-bit X-ray in a 16-bit file
    is nearly black or white all over; a viewer shows both as they are meant. All other checks judge what a person
    sees, which is also what imageclinic trains on; where the two differ, the evidence has both.

    What to do: `imageclinic export --reencode png` writes what a person sees: transparency laid over white, one range
    of values for all deep pictures, CMYK as RGB, EXIF turns carried out. Or decode the images yourself.

    Found are pictures with

    - **transparency** (alpha, or a transparent colour of a palette): Keras drops it and shows the colours stored under
      it; of a GIF, TensorFlow makes it black.
    - **more than 8 bits**: TensorFlow keeps the high byte, `load_img` makes white of all values from 255.
    - **CMYK with a colour profile**: Keras does not go by the profile.
    - **a palette in a BMP**: TensorFlow takes the numbers of the colours for grey.
    - **frames** (GIF): the first counts, and `tf.io.decode_image` gives four dimensions.

    For EXIF turns see `exif_orientation`, for formats that Keras does not read at all `wrong_extension`. Differences
    under `least` (of 1, the mean over the picture) are rounding, and not reported.

    Source: Keras 3.15 and TensorFlow 2.21, held against by tests. Score: 0.4 + 0.6 × the mean difference; 1 where
    Keras's picture shows nothing and a person's does; 0.2 for frames.
    """
    given = dataset.loc[dataset["read_error"].isna(), ["image_id", "format", "mode"]]
    columns = ["image_id", "frames", "transparent", "luminance_mean", "entropy", "value_low", "value_high"]
    keras = ["keras_difference", "keras_luminance_mean", "keras_entropy"]
    measured = features[columns + keras]
    odd = measured["keras_difference"].ge(least).fillna(False) | measured["frames"].gt(1).fillna(False)
    unusual = [mode for mode in given["mode"].dropna().unique() if deep(mode)]
    given = given[given["mode"].isin(unusual) | lookup.among(given["image_id"], measured.loc[odd, "image_id"])]
    rows = lookup.joined(given, measured, columns[1:] + keras)
    rows = rows.astype({"format": "object", "mode": "object"}).fillna({"format": "", "mode": ""})
    moving = rows["format"].eq("GIF") & rows["frames"].gt(1).fillna(False)
    rows = rows[rows["keras_difference"].ge(least).fillna(False) | rows["mode"].map(deep).astype(bool) | moving]
    judged = [_judge(row, least) for row in rows.to_dict("records")]
    return findings(
        image_id=rows["image_id"],
        score=[score for score, _ in judged],
        suggested_action=["review"] * len(rows),
        evidence=[evidence for _, evidence in judged],
    )


def _judge(row: Mapping[Hashable, Any], least: float) -> tuple[float, str]:
    """Score and evidence."""
    moving = bool(pd.notna(row["frames"]) and int(row["frames"]) > 1)
    clear = bool(pd.notna(row["transparent"]) and row["transparent"])
    what = keras_misreads(str(row["format"]), str(row["mode"]), moving=moving, transparent=clear) or "read otherwise"
    difference = _number(row["keras_difference"])
    if difference is None or (difference < least and not deep(str(row["mode"]))):
        return 0.2, f"{what[:1].upper()}{what[1:]}."
    score, details = 0.4 + 0.6 * difference, ""
    mine, its = _number(row["luminance_mean"]), _number(row["keras_luminance_mean"])
    if (low := _number(row["value_low"])) is not None and (high := _number(row["value_high"])) is not None:
        details += f", values {low:.6g} to {high:.6g}"
    if mine is not None and its is not None:
        details += f", mean brightness {its:.2f} to Keras and {mine:.2f} to a person"
    bits, its_bits = _number(row["entropy"]), _number(row["keras_entropy"])
    if bits is not None and its_bits is not None and its_bits < _NOTHING < bits:
        score, details = 1.0, f"{details}: one colour all over to Keras"
    return score, f"{what[:1].upper()}{what[1:]}{details}; {_REMEDY}."


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
