"""Where the images of a run are: below the dataset's root, and, those that were added to the run, in the run.

What ``imageclinic check --add`` accepted lies in ``added/NAME/…`` under the ids ``NAME/…``; ``added/NAME.parquet``
names it. That file is written last: images without it are what a killed command left, and are no part of the run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import pandas as pd

from imageclinic.core.ids import to_path

#: Of the file that names added images.
SUFFIX = ".parquet"


class ImageFiles:
    """The files of a run's images."""

    def __init__(self, root: Path, added: Path) -> None:
        """Look which folders of images were added.

        Args:
            root: the dataset's folder.
            added: the run's folder of added images; it may not be there.
        """
        self.root, self.added = root, added
        self._root = os.fspath(root)
        try:
            inside = os.listdir(added)  # noqa: PTH208 - called for every picture of a report
        except OSError:
            inside = []
        self.names = frozenset(name.removesuffix(SUFFIX) for name in inside if name.endswith(SUFFIX))

    def is_added(self, image_id: str) -> bool:
        """Whether an image was added to the run."""
        return bool(self.names) and image_id.partition("/")[0] in self.names

    def name(self, image_id: str) -> str:
        """The path of an image: from the root, or absolute for an added one."""
        path = to_path(image_id)
        return f"{self.added}/{path}" if self.is_added(image_id) else path

    def absolute(self, image_id: str) -> str:
        """The path of an image as text: of many, ten times quicker than making a `Path` of each."""
        return os.path.join(self._root, self.name(image_id))  # noqa: PTH118

    def __call__(self, image_id: str) -> Path:
        """The path of an image."""
        return self.root / self.name(image_id)

    def of(self, ids: Sequence[str] | pd.Series) -> Sequence[Path]:
        """The paths of images, each made when it is asked for: a million `Path`s take 0.4 GB."""
        return _Files(self, pd.Series(ids, dtype="str"))


class _Files(Sequence[Path]):
    def __init__(self, files: ImageFiles, ids: pd.Series) -> None:
        self._files, self._ids = files, ids

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, at: int) -> Path: ...

    @overload
    def __getitem__(self, at: slice) -> _Files: ...

    def __getitem__(self, at: int | slice) -> Path | _Files:
        return _Files(self._files, self._ids.iloc[at]) if isinstance(at, slice) else self._files(self._ids.iloc[at])

    def __iter__(self) -> Iterator[Path]:
        return map(self._files, self._ids)
