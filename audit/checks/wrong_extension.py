"""Files whose name says another format than their content, or that Keras's folder loader skips or refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from imageclinic.audit.issue_rows import findings
from imageclinic.core.formats import KERAS_SUFFIXES, suffixes
from imageclinic.core.pictures.keras_pictures import keras_refuses
from imageclinic.core.rows import lookup

URGENCY = 80
ABOUT = ("images",)

#: Scores, the worst first.
_STOPS, _SKIPPED, _CONTRADICTION = 1.0, 0.8, 0.6


def find(dataset: pd.DataFrame, features: pd.DataFrame, *, keras: bool = True) -> pd.DataFrame:
    """Images whose content is another format than the name says, or that Keras's folder loader skips or refuses.

    Why it matters: `keras.utils.image_dataset_from_directory` leaves out every file that is not named bmp, gif,
    jpeg, jpg or png, without a word. It decodes by content, with `tf.io.decode_image`: a format that TensorFlow
    does not know stops the training in the middle of an epoch. Loaders that go by the name fail on a wrong one.
    (`imageclinic train` reads all of these: it decodes with Pillow.)

    What to do: rename or convert the file; the evidence says which. `imageclinic export` gives right names, and with
    `--reencode png` it converts. With `keras=False` only contradictions are reported. What Keras reads otherwise than
    meant is in `misread_by_keras`.

    Tried with Keras 3.15 and TensorFlow 2.21, in colour. Stops it: AVIF, HEIF, JPEG 2000, TIFF, PPM and ICO under
    another name, WebP that is animated or has alpha, BMP with 1 bit a pixel. Skipped: the same under their own
    names, WebP, and JPEG named jfif, jpe or mpo. Decoded: JPEG of any kind, MPO and CMYK included, other PNG, GIF and
    BMP; but not CMYK, GIF and BMP with `color_mode="grayscale"`.

    Score: 1 where Keras stops, 0.8 where it skips the file, 0.6 for a contradiction that Keras reads all the same.
    """
    known = dataset.loc[dataset["read_error"].isna() & dataset["format"].notna(), ["image_id", "format", "mode"]]
    known["mode"] = known["mode"].fillna("")
    several = features.loc[features["frames"].fillna(1) > 1, "image_id"]
    known = known.assign(extension=_extensions(known["image_id"]), moving=lookup.among(known["image_id"], several))
    # Millions of images have few kinds: each is judged once.
    kind, first = lookup.kinds(*(known[name] for name in ("format", "extension", "mode", "moving")))
    kinds = known.iloc[first][["format", "extension", "mode", "moving"]]
    verdicts = [_judge(*each, keras=keras) for each in kinds.itertuples(index=False, name=None)]
    scores = np.array([score for score, _ in verdicts], dtype=np.float64)
    found = np.flatnonzero(scores[kind] > 0)
    return findings(
        image_id=known["image_id"].iloc[found],
        score=scores[kind[found]],
        suggested_action=["review"] * len(found),
        evidence=[verdicts[k][1] for k in kind[found]],
    )


def _extensions(ids: pd.Series) -> pd.Series:
    """The last suffix of each name, in small letters; "" where it has none."""
    name = pa.array(ids, pa.large_string())
    suffix = pc.struct_field(pc.extract_regex(name, r"(?P<suffix>\.[^./]+)$"), "suffix")
    return pd.Series(pc.utf8_lower(pc.fill_null(suffix, "")).to_pandas(), dtype="str").set_axis(ids.index)


def _judge(kind: str, extension: str, mode: str, moving: bool, *, keras: bool) -> tuple[float, str]:
    """Score (0: nothing to say) and evidence."""
    right = suffixes(kind) or (extension,)
    contradiction = extension not in right
    name = f"named {extension!r}" if extension else "named without an extension"
    what = f"{name.capitalize()}, but the content is {kind}" if contradiction else f"{kind} {name}"
    rename = f"rename it to {right[0]}" if right[0] in KERAS_SUFFIXES else "convert it to PNG or JPEG"
    if not keras:
        return (_CONTRADICTION, f"{what}: rename it to {right[0]}.") if contradiction else (0.0, "")
    refused = keras_refuses(kind, mode, moving=moving)
    if refused and extension in KERAS_SUFFIXES:
        return _STOPS, f"{what}: {refused}, so Keras's folder loader stops there; convert it to PNG or JPEG."
    if extension not in KERAS_SUFFIXES:
        return _SKIPPED, f"{what}: Keras's folder loader skips it without a word; {rename}."
    if contradiction:
        return _CONTRADICTION, f"{what}: Keras decodes it by content, other loaders may not; {rename}."
    return 0.0, ""
