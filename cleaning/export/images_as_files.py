"""The images of an export as files, for as long as somebody reads them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from imageclinic.cleaning.export import export_facts, formats


@contextlib.contextmanager
def as_files(out: Path) -> Iterator[Path]:
    """A folder with an export's manifest.csv and, by its paths, the images: the export itself, or, where its format
    packs images, a copy that is there for as long as the context. A folder without export.json is taken as it is.

    Raises:
        InputError: export.json names no known format, or the records are damaged.
    """
    if not (out / export_facts.FILE).is_file():
        yield out
        return
    with formats.load(export_facts.read(out)["format"]).as_files(out) as read:
        yield read.folder
