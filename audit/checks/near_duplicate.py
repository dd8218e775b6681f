"""Images that are altered copies of another."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.copies.pair_views import in_words, partners
from imageclinic.audit.issue_rows import findings
from imageclinic.core.rows import lookup

URGENCY = 50
ABOUT = ("copies",)


def find(dataset: pd.DataFrame, neighbors: pd.DataFrame, clusters: pd.DataFrame) -> pd.DataFrame:
    """Images that are re-encoded, resized, brightened, cropped, framed, tilted, mirrored or turned copies of another.

    Why it matters: near copies leak between splits like exact ones, and weigh one example too much.

    What to do: keep one of each cluster, or keep them together in one split (the export does that in any case).

    Candidates lie within 12 of 64 bits of imagehash's phash in one of eight orientations; they are confirmed on
    their detail after alignment, with a threshold that the dataset's own look-alikes set, and on full decodes: by a
    256-bit hash, and by what they differ in once they are aligned. Pictures that differ in one place by more than
    re-encoding and the like leave, or in colour, are no copies, unless it is at the margin, where logos and captions
    lie; nor are two shots of one scene, whose grain differs (see `audit/copies/local_differences.py`). Where an image
    looks like more than a quarter of the dataset, as under a camera that does not move, that says nothing, and near
    copies are not looked for among such images; the audit says so. Where the images are embedded, pictures that are
    cropped to a part, turned by a few degrees, sheared or framed are found, too: pairs that lie nearer to each other
    than to the look-alikes around them, whose keypoints lay one over the other, and which then differ in nothing (see
    `audit/copies/laid_over/embedding_pairs.py`; pictures of 64 pixels and more). So are tiles of collages and pictures
    in wide frames, whose candidates are parts of thumbnails (`audit/copies/laid_over/tile_pairs.py`): of 40 each among
    500 pictures of Caltech-101, 36 to 39 tiles of 2 × 2, 32 of 1 × 3 and 36 of 1 × 2, and 68 of 80 in a frame that is
    as wide as half the picture. A collage and its tiles belong into one split, but are no cluster: neither replaces the
    other.
    Score: the correlation of the detail.
    """
    found = partners(neighbors, clusters, ("near",))
    own, theirs = (lookup.values(found[end], dataset, "label") for end in ("image_id", "other_id"))
    # Of upright copies, that is a finding of conflicting_label.
    elsewhere = own.notna() & theirs.notna() & own.ne(theirs) & found["transform"].ne("identity")
    return findings(
        image_id=found["image_id"],
        score=found["similarity"].clip(0, 1).astype("float64"),
        cluster=found["cluster"],
        suggested_action=["review"] * len(found),
        evidence=[
            f"Copy of {other}"
            + (f", {in_words(transform)}" if transform != "identity" else "")
            + (f" and labelled {label}" if elsewhere else "")
            + f": {distance} of 64 hash bits differ, detail correlates {similarity:.2f}"
            + ("; they differ at the margin" if difference > 1 else "")
            + (f"; and of {n - 1} more." if n > 1 else ".")
            for other, transform, distance, similarity, n, difference, label, elsewhere in zip(
                found["other_id"],
                found["transform"],
                found["distance"],
                found["similarity"],
                found["n"],
                found["difference"],
                theirs,
                elsewhere,
                strict=True,
            )
        ],
    )
