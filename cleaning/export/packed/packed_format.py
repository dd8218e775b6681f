"""What formats have in common that pack images into shards: which image goes where, and the proof of its record.

A record is a dict: ``image`` (the file's bytes), ``number`` (of its class), ``class``, ``image_id``, ``path`` (as in
the manifest).
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imageclinic.cleaning.export import place_file
from imageclinic.cleaning.export.export_format import ExportFile, ExportFormat, ReadBack
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cleaning.export.proof.outcome import Proof, proof
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.ids import is_below
from imageclinic.core.processes.temporary_folders import temporary_folder
from imageclinic.core.rows import lookup, ordering

#: Bytes of images a shard, about: TensorFlow advises 100 MB and more, and so do object stores.
SHARD = 128 << 20


class PackedFormat(ExportFormat):
    """Images packed into shards: a path in the manifest is a name within them."""

    #: Of a shard's name.
    suffix: str
    packed = True

    @abstractmethod
    def write_records(self, shard: Path, records: Iterator[dict[str, Any]], classes: Sequence[str]) -> None:
        """Write a shard. Raises OSError when it can't be written.

        Args:
            shard: a new file.
            records: read once.
            classes: in the order of their numbers.
        """

    @abstractmethod
    def read_records(self, shard: Path) -> Iterator[dict[str, Any]]:
        """What `write_records` wrote. Raises InputError when it is damaged."""

    def refusal(self, options: ExportOptions) -> InputError | None:
        """Links and samples want files."""
        if options.link != "copy":
            return InputError(
                f"--link {options.link} with --format {self.name}", expected="copy: shards hold the images' bytes"
            )
        if options.balance.endswith("sample"):
            return InputError(
                f"--balance {options.balance} with --format {self.name}",
                expected="weights: records can't be named by a manifest",
            )
        return None

    def files(self, manifest: pd.DataFrame, sources: Sequence[Path]) -> Iterator[ExportFile]:
        """``SPLIT-00000-of-00002`` and so on, in an order that the contents' hashes give: shuffled, and always the
        same."""
        classes = self.classes(manifest)
        number = {label: n for n, label in enumerate(classes)}
        source = pd.Series(np.arange(len(manifest)), manifest.index)
        rows = ordering.in_order(manifest, {"sha256": "ascending", "image_id": "ascending"})
        for split in tables.SPLITS:
            part = rows[rows["split"] == split]
            each = (place_file.size(sources[at]) for at in source[part.index])
            sizes = np.fromiter(each, np.int64, len(part))
            number_of = pd.factorize((sizes.cumsum() - sizes) // SHARD)[0]
            of = len(set(number_of))
            for n in range(of):
                inside = part[number_of == n]

                def write(to: Path, done: Callable[[], None], inside: pd.DataFrame = inside) -> None:
                    files = [sources[at] for at in source[inside.index]]
                    records = _records(inside, files, number, done)
                    self.write_records(to, records, classes)

                name = f"{split}-{n:05}-of-{of:05}{self.suffix}"
                yield ExportFile(name, inside, int(sizes[number_of == n].sum()), write)

    def place(
        self,
        manifest: pd.DataFrame,
        sources: Sequence[Path],
        folder: Path,
        link: str,
        progress: Callable[[int, int], None],
    ) -> None:
        """Write the shards."""
        done = 0

        def one() -> None:
            nonlocal done
            done += 1
            progress(done, len(manifest))

        for file in self.files(manifest, sources):
            file.write(folder / file.path, one)

    def unlike(self, file: Path, rows: pd.DataFrame, classes: Sequence[str]) -> str | None:
        """Records in the order of the rows."""
        number = {label: n for n, label in enumerate(classes)}
        columns = (rows[name] for name in ("path", "image_id", "label", "sha256"))
        records = self.read_records(file)
        for path, image_id, label, sha256 in zip(*columns, strict=True):
            record = next(records, None)
            right = {"path": path, "image_id": image_id, "class": label, "number": number[label]}
            if record is None or hashlib.sha256(record.pop("image")).hexdigest() != sha256 or record != right:
                return str(path)
        return None if next(records, None) is None else str(rows["path"].iloc[-1])

    @contextlib.contextmanager
    def as_files(self, out: Path) -> Iterator[ReadBack]:
        """A temporary copy of the export with files in the place of records."""
        with temporary_folder("imageclinic-records-") as scratch:
            records = self.unpack(sorted(out.glob(f"*{self.suffix}")), scratch)
            for file in out.iterdir():
                if file.suffix in (".csv", ".json"):
                    shutil.copy(file, scratch)
            yield ReadBack(scratch, records)

    def unpack(self, shards: Iterable[Path], folder: Path) -> pd.DataFrame:
        """Write the image of every record to its path in `folder`.

        Returns:
            One row a record: shard, path, image_id, class, number.

        Raises:
            InputError: a shard is damaged, or a record lacks a part or names a path outside of the folder.
        """
        columns = ["shard", "path", "image_id", "class", "number"]
        pieces: list[pd.DataFrame] = []
        for shard in shards:
            rows = []
            for record in self.read_records(shard):
                if not is_below(record["path"]):
                    raise InputError(
                        f"{shard} names the path {record['path']!r}", expected="a path inside of the export"
                    )
                target = folder / tables.to_path(record["path"])
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(record.pop("image"))
                except OSError as error:
                    raise InputError(
                        f"{shard} names the path {record['path'][:300]!r}, which can't be written: {error.strerror}",
                        expected="a path inside of the export",
                        fix="export again",
                    ) from error
                rows.append({"shard": shard.name, **record})
            pieces.append(pd.DataFrame(rows, columns=columns))  # few Python strings at once
        return pd.concat(pieces or [pd.DataFrame(columns=columns)], ignore_index=True)

    def folder_names(self, manifest: pd.DataFrame) -> dict[str, str]:
        """None: there are no folders of classes."""
        return {}

    def own_proofs(self, manifest: pd.DataFrame, classes: Sequence[str], read: ReadBack) -> list[Proof]:
        """Every record says what the manifest says of its image, lies in a shard of its split, and is there once."""
        assert read.records is not None
        at = lookup.places(read.records["path"], manifest["path"])
        here = {"image_id_here": "image_id", "label": "label", "split": "split"}
        both = read.records.assign(**{to: lookup.taken(manifest[of], at) for to, of in here.items()})
        number = both["label"].map({label: n for n, label in enumerate(classes)})
        right = (
            both["number"].eq(number)
            & both["class"].eq(both["label"])
            & both["image_id"].eq(both["image_id_here"])
            & ~both["path"].duplicated()
            & (both["shard"].str.split("-").str[0] == both["split"])
        )
        good = f"{len(both)} records fit the manifest"
        return [proof("records", both.loc[~right, "path"], good, "do not fit the manifest")]


def _records(
    rows: pd.DataFrame, sources: Sequence[Path], number: dict[str, int], done: Callable[[], None]
) -> Iterator[dict[str, Any]]:
    columns = (rows[name] for name in ("path", "image_id", "label", "sha256"))
    for source, path, image_id, label, sha256 in zip(sources, *columns, strict=True):
        image = place_file.content(source, sha256)
        yield {"image": image, "number": number[label], "class": label, "image_id": image_id, "path": path}
        done()
