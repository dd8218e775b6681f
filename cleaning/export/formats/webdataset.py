"""Tar shards of samples: NAME.jpg, its class's number in NAME.cls, and NAME.json, for WebDataset's loader.

See https://github.com/webdataset/webdataset#the-webdataset-format.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from imageclinic.cleaning.export import safe_names
from imageclinic.cleaning.export.export_format import reading_line
from imageclinic.cleaning.export.packed.packed_format import PackedFormat
from imageclinic.core.errors import InputError
from imageclinic.core.reading.regular_files import open_regular

_DAMAGE = (tarfile.TarError, OSError, EOFError, ValueError, KeyError, TypeError)


class Format(PackedFormat):
    """A sample is files of one name up to its first dot, one after the other."""

    suffix = ".tar"

    def unique(self, names: Sequence[str], of: Sequence[str]) -> list[str]:
        """Unique also without suffixes, and without other dots."""
        parts = [PurePosixPath(name) for name in names]
        stems = safe_names.unique([part.stem.replace(".", "_") for part in parts], of)
        return [stem + part.suffix for stem, part in zip(stems, parts, strict=True)]

    def write_records(self, shard: Path, records: Iterator[dict[str, Any]], classes: Sequence[str]) -> None:
        """Write a tar file without times and owners: equal images give equal files."""
        with tarfile.open(shard, "x", format=tarfile.PAX_FORMAT) as tar:
            for record in records:
                stem = str(PurePosixPath(record["path"]).with_suffix(""))
                about = {"label": record["class"], "class_index": record["number"], "image_id": record["image_id"]}
                _add(tar, record["path"], record["image"])
                _add(tar, f"{stem}.cls", str(record["number"]).encode())
                _add(tar, f"{stem}.json", json.dumps(about, ensure_ascii=False).encode())

    def read_records(self, shard: Path) -> Iterator[dict[str, Any]]:
        """The samples. What is no sample of three files is damage."""
        try:
            with open_regular(shard) as file, tarfile.open(fileobj=file, mode="r:") as tar:
                while (image := tar.next()) is not None:
                    path, content = image.name, _read(tar, image)
                    number, about = (_read(tar, tar.next()) for _ in range(2))
                    facts = json.loads(about)
                    if int(number) != facts["class_index"]:
                        raise ValueError(f"{path}: two numbers of one class")
                    yield {
                        "image": content,
                        "number": int(number),
                        "class": str(facts["label"]),
                        "image_id": str(facts["image_id"]),
                        "path": path,
                    }
        except _DAMAGE as error:
            raise InputError(f"{shard} is damaged: {error}", fix="export again") from error

    def loading_lines(self, splits: Mapping[str, int], size: tuple[int, int]) -> str:
        """The training images as ``x`` and ``y``."""
        return (
            "import glob, io, keras, numpy, tarfile\n\n"
            "x, y = [], []\n"
            'for shard in sorted(glob.glob("train-*.tar")):\n'
            "    with tarfile.open(shard) as tar:\n"
            "        for member in tar:\n"
            "            p = io.BytesIO(tar.extractfile(member).read())\n"
            '            if member.name.endswith(".cls"):\n'
            "                y.append(int(p.read()))\n"
            '            elif not member.name.endswith(".json"):\n'
            f"                x.append({reading_line(size)})\n"
            "x, y = numpy.stack(x), numpy.array(y)"
        )


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> bytes:
    file = None if member is None else tar.extractfile(member)
    if file is None:
        raise ValueError("a sample is cut off")
    return file.read()
