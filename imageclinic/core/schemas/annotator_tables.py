"""Tables of datasets that several people labelled: who said what, and what they say together."""

from __future__ import annotations

import pyarrow as pa

from imageclinic.core.columns import IMAGE_ID, Column, Table

ANNOTATIONS = Table(
    "annotations",
    "annotations.parquet",
    "label by an annotator",
    (
        IMAGE_ID,
        Column("annotator", pa.string(), "who gave the label"),
        Column("label", pa.string(), "the class that they named"),
    ),
    ("image_id", "annotator"),
)

CONSENSUS = Table(
    "consensus",
    "consensus.parquet",
    "image that annotators labelled",
    (
        IMAGE_ID,
        Column("label", pa.string(), "the annotators' consensus without a model: the given label"),
        Column("likeliest", pa.string(), "likeliest class, by the annotators and the out-of-fold predictions"),
        Column("probability", pa.float64(), "of that class", low=0, high=1),
        Column("wrong", pa.float64(), "probability that the given label is wrong", low=0, high=1),
        Column("labels", pa.int64(), "how many annotators labelled it", low=1),
        Column("agreeing", pa.int64(), "how many of these gave the likeliest class", low=0),
        Column("ask", pa.string(), "best annotator who has not labelled it; null if all have", nullable=True),
    ),
    ("image_id",),
)
