"""Outliers: pictures of another dataset planted into one, what an audit flags of them, and how it ranks them.

    python -m benchmarks.strangers DATA OTHERS [--share 0.02] [--most 2600] [--model auto] [--seed 0]

DATA and OTHERS are what `imageclinic audit` takes from a disk: folders or manifests. At most --most images are drawn of
DATA, and --share of these of OTHERS (0: none, to see what is flagged of DATA as it is); each of these gets the class of
an image of DATA drawn at random. Then `imageclinic.audit` runs. Right flags are those of planted images; others may
be right, too, for no dataset is without strange pictures: with --show their names are printed. The average precision
is that of the order in which `outlier` would flag all images.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

import imageclinic
from benchmarks.show import table
from imageclinic.audit.checks import outlier
from imageclinic.audit.listing import image_listing
from imageclinic.core import tables

HEADER = ("images", "planted", "average precision", "flags", "right", "precision", "recall")


def main(arguments: list[str] | None = None) -> None:
    """See this module's text."""
    parser = argparse.ArgumentParser(usage=(__doc__ or "").split("\n\n")[1].strip())
    parser.add_argument("data", type=Path)
    parser.add_argument("others", type=Path)
    parser.add_argument("--share", type=float, default=0.02)
    parser.add_argument("--most", type=int, default=2600)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args(arguments)
    rng = np.random.default_rng(given.seed)
    images = _drawn(given.data, given.most, rng)
    strangers = _drawn(given.others, round(given.share * len(images)), rng)
    strangers = strangers.assign(label=rng.choice(images["label"].to_numpy(), len(strangers)))
    both = pd.concat([images.assign(planted=False), strangers.assign(planted=True)], ignore_index=True)
    root = os.path.commonpath(both["path"].tolist())
    both["path"] = [os.path.relpath(path, root) for path in both["path"]]
    with tempfile.TemporaryDirectory() as folder:
        frame = both[["path", "label"]]
        audit = imageclinic.audit(frame, Path(folder) / "run", root=root, checks=["outlier"], model=given.model)
        flagged = audit.issues.loc[audit.issues["check"] == "outlier", "image_id"]
        ranked = outlier.find(audit.run.read_dataset(), audit.run.read_embeddings(), false_share=1)
    known = both.set_index("path")["planted"]
    print(table(HEADER, [row(known, flagged, ranked.set_index("image_id")["score"])]))
    if given.show:
        print("\n".join(str(name) for name in flagged if not known[name]))


def row(planted: pd.Series, flagged: pd.Series, score: pd.Series) -> tuple[str, ...]:
    """A row of the table.

    Args:
        planted: bool, by image.
        flagged: images that are flagged.
        score: how strange each image is, by image; those without one are the least strange.
    """
    right, count = int(planted[flagged].sum()), int(planted.sum())
    order = score.reindex(planted.index).fillna(-np.inf).rank()
    precision = f"{average_precision_score(planted, order):.2f}" if count else "–"
    of_flags, of_planted = (f"{right / n:.2f}" if n else "–" for n in (len(flagged), count))
    return f"{len(planted):,}", f"{count:,}", precision, f"{len(flagged):,}", f"{right:,}", of_flags, of_planted


def _drawn(data: Path, most: int, rng: np.random.Generator) -> pd.DataFrame:
    """Absolute paths and labels of at most so many images, drawn at random."""
    listing = image_listing.load(data)
    root = listing.root.resolve()
    images = pd.DataFrame({"path": [str(root / tables.to_path(i)) for i in listing.images["image_id"]]})
    images["label"] = listing.images["label"].to_numpy()
    return images.iloc[rng.permutation(len(images))[:most]]


if __name__ == "__main__":
    main()
