"""Files whose name says another format than their content, or a format that Keras can't load."""

from __future__ import annotations

from pathlib import PurePosixPath

import pandas as pd

from audit.findings import findings

_EXTENSIONS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".mpo", ".jpg", ".jpeg"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif"),
    "JPEG2000": (".jp2", ".j2k", ".jpx"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "ICO": (".ico",),
}
_KERAS_FORMATS = ("JPEG", "PNG", "GIF", "BMP")
_KERAS_EXTENSIONS = (".jpg", ".jpeg", ".png", ".gif", ".bmp")


def find(dataset: pd.DataFrame, *, keras: bool = True) -> pd.DataFrame:
    """Images whose content is another format than the name says, or one that Keras's loaders don't read.

    Why it matters: loaders that go by the name fail or skip the file without a word:
    `keras.utils.image_dataset_from_directory` takes bmp, gif, jpeg, jpg and png only.

    What to do: rename or convert the file. With `keras=False` only contradictions are reported.

    Score: 1 for a contradiction, 0.5 for a format that Keras doesn't load.
    """
    known = dataset[dataset["read_error"].isna() & dataset["format"].notna()]
    ids, scores, evidence = [], [], []
    for image_id, kind in zip(known["image_id"], known["format"], strict=True):
        extension = PurePosixPath(image_id).suffix.lower()
        if extension not in _EXTENSIONS.get(kind, (extension,)):
            ids.append(image_id)
            scores.append(1.0)
            evidence.append(f"Named {extension or 'without extension'}, but the content is {kind}.")
        elif keras and (kind not in _KERAS_FORMATS or extension not in _KERAS_EXTENSIONS):
            ids.append(image_id)
            scores.append(0.5)
            evidence.append(f"Keras's folder loader does not read {kind} files named {extension}.")
    return findings(image_id=ids, score=scores, suggested_action=["review"] * len(ids), evidence=evidence)
