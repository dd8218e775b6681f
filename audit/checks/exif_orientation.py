"""Images that viewers turn and Keras does not."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.issue_rows import findings

URGENCY = 90
ABOUT = ("images",)

#: EXIF orientation → how the picture lies as stored, seen from the picture as it was meant. From the EXIF standard
#: (CIPA DC-008), tag 0x0112.
_LIES = {
    2: "mirrored",
    3: "upside down",
    4: "mirrored and upside down",
    5: "mirrored and on its side",
    6: "on its side",
    7: "mirrored and on its side",
    8: "on its side",
}
#: A picture on its side is further off than a mirrored one, which most training makes anyway.
_SCORES = {2: 0.5, 3: 1.0, 4: 1.0, 5: 1.0, 6: 1.0, 7: 1.0, 8: 1.0}


def find(features: pd.DataFrame) -> pd.DataFrame:
    """Images whose EXIF data tell viewers to turn or mirror them, which Keras and TensorFlow do not do.

    Why it matters: browsers, file managers and the review App show such a picture upright, so nobody sees a fault;
    `keras.utils.image_dataset_from_directory`, `keras.utils.load_img` and `tf.io.decode_jpeg` ignore the tag, and
    the model gets it on its side. If only one camera writes the tag, orientation also tells its pictures apart.

    What to do: `imageclinic export --reencode png` turns the pixels and writes no tag (as do
    `PIL.ImageOps.exif_transpose`, `jpegtran` and `exiftran`); or train with rotations.

    The audit judges pictures as stored, as Keras sees them, because a cleaned dataset must be right for the model:
    width and height, hashes and all other checks are of the untouched pixels. Score: 1 for a picture on its side
    or upside down, 0.5 for one that is only mirrored.
    """
    turned = features.loc[features["exif_orientation"].fillna(1) > 1, ["image_id", "exif_orientation"]]
    values = turned["exif_orientation"].astype("int64")
    return findings(
        image_id=turned["image_id"],
        score=values.map(_SCORES).astype("float64"),
        suggested_action=["review"] * len(turned),
        evidence=[
            f"EXIF orientation {v}: stored {_LIES[v]}; viewers turn it, Keras does not; "
            "`imageclinic export --reencode png` turns it."
            for v in values
        ],
    )
