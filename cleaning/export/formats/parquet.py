"""Parquet shards with the images in them, for Hugging Face's loader.

See https://huggingface.co/docs/datasets/image_dataset#parquet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from imageclinic.cleaning.export.export_format import reading_line
from imageclinic.cleaning.export.packed.packed_format import PackedFormat
from imageclinic.core.errors import InputError
from imageclinic.core.reading.regular_files import open_regular

#: Rows of a group: Hugging Face advises 100 for images.
ROWS = 100
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, IndexError)


class Format(PackedFormat):
    """Columns image (bytes, path), label (a number; the schema has the classes' names) and image_id."""

    suffix = ".parquet"

    def write_records(self, shard: Path, records: Iterator[dict[str, Any]], classes: Sequence[str]) -> None:
        """Write a Parquet file, by groups of rows."""
        features = {
            "image": {"_type": "Image"},
            "label": {"names": list(classes), "_type": "ClassLabel"},
            "image_id": {"dtype": "string", "_type": "Value"},
        }
        schema = pa.schema(
            [("image", _IMAGE), ("label", pa.int64()), ("image_id", pa.string())],
            {"huggingface": json.dumps({"info": {"features": features}})},
        )
        # Images are compressed as they are.
        with shard.open("xb") as file, pq.ParquetWriter(file, schema, compression="none") as writer:
            while rows := list(islice(records, ROWS)):
                columns = (
                    [{"bytes": row["image"], "path": row["path"]} for row in rows],
                    [row["number"] for row in rows],
                    [row["image_id"] for row in rows],
                )
                writer.write_table(
                    pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
                )

    def read_records(self, shard: Path) -> Iterator[dict[str, Any]]:
        """The rows, with their classes' names."""
        try:
            with open_regular(shard) as file:
                table = pq.ParquetFile(file)
                about = json.loads((table.schema_arrow.metadata or {})[b"huggingface"])
                names = about["info"]["features"]["label"]["names"]
                for batch in table.iter_batches(ROWS, columns=["image", "label", "image_id"]):
                    for row in batch.to_pylist():
                        if row["label"] < 0:
                            raise ValueError(f"{row['image']['path']}: no class")
                        yield {
                            "image": bytes(row["image"]["bytes"]),
                            "number": row["label"],
                            "class": str(names[row["label"]]),
                            "image_id": str(row["image_id"]),
                            "path": str(row["image"]["path"]),
                        }
        except _DAMAGE as error:
            raise InputError(f"{shard} is damaged: {error}", fix="export again") from error

    def loading_lines(self, splits: Mapping[str, int], size: tuple[int, int]) -> str:
        """The training images as ``x`` and ``y``."""
        return (
            "import glob, io, keras, numpy, pandas\n\n"
            'rows = pandas.concat([pandas.read_parquet(p) for p in sorted(glob.glob("train-*.parquet"))])\n'
            'files = [io.BytesIO(image["bytes"]) for image in rows["image"]]\n'
            f"x = numpy.stack([{reading_line(size)} for p in files])\n"
            'y = rows["label"].to_numpy()'
        )
