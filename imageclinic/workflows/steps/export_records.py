"""An export of records, as files for as long as somebody reads them."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd


@contextlib.contextmanager
def as_files(out: Path) -> Iterator[Path]:
    """The export itself; or, of records, a copy of it as files that is there for as long as the context."""
    if not any(out.glob("*.tfrecord")):
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="imageclinic-records-") as scratch:
        unpack(out, Path(scratch))
        for file in out.iterdir():
            if file.suffix in (".csv", ".json"):
                shutil.copy(file, scratch)
        yield Path(scratch)


def pack(manifest: pd.DataFrame, files: Sequence[Path], folder: Path, progress: Callable[[int, int], None]) -> None:
    """Write records; see `training.data.tfrecord.write`. TensorFlow is loaded only here and in `unpack`."""
    _tfrecord().write(manifest, files, folder, progress)


def unpack(out: Path, folder: Path) -> pd.DataFrame:
    """Read records; see `training.data.tfrecord.unpack`."""
    records: pd.DataFrame = _tfrecord().unpack(out, folder)
    return records


def _tfrecord() -> Any:
    from imageclinic import training

    training.load_tensorflow()
    from imageclinic.training.data import tfrecord

    return tfrecord
