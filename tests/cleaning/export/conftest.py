"""What tests of exports share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from imageclinic.cleaning.export.proof import prove_export
from imageclinic.core import tables


def equal_files(folder: Path, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
    """Pairs of equal files that the manifest in a folder names."""
    seen: dict[bytes, str] = {}
    pairs = []
    for path in tables.read_csv(folder / "manifest.csv", tables.MANIFEST)["path"]:
        file = folder / tables.to_path(path)
        other = seen.setdefault(file.read_bytes(), path) if file.is_file() else path
        if other != path:
            pairs.append((other, path, "bytes"))
    return pd.DataFrame(pairs, columns=["image_id", "other_id", "kind"], dtype="str")


@pytest.fixture(scope="module")
def only_equal_files_are_copies() -> Iterator[None]:
    """Proofs compare bytes, not pictures: a scan starts processes, which takes seconds, and many of these exports hold
    files that are no pictures. The search itself is tested where exports are made with `imageclinic.export`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prove_export, "find_pairs", equal_files)
        yield
