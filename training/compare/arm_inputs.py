"""What the models of a comparison see of each image: pixels at a size, or embeddings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core.errors import Failed, InputError
from imageclinic.core.reading import caches
from imageclinic.training.compare.arms import baseline, digest
from imageclinic.training.compare.known_embeddings import Embedded
from imageclinic.training.data import image_pipelines
from imageclinic.training.embed import embed_images

_FORMAT = 2  # part of every cache key: raise it when what a run holds or how it is made changes


class Inputs:
    """Pixels at `size`, or embeddings where it is None. Loaded when the first run needs them.

    Embeddings that are `known` are taken where they have all images. An unsupervised embedder is fitted on the
    images of the arm that the others are compared with, alone.
    """

    def __init__(
        self,
        frames: Mapping[str, pd.DataFrame],
        test: pd.DataFrame,
        size: tuple[int, int] | None,
        channels: int,
        seed: int,
        cache: Path | None,
        known: Embedded | None = None,
    ) -> None:
        paths = sorted({*test["path"], *(path for frame in frames.values() for path in frame["path"])})
        # As objects: a file name that is no UTF-8 fits no Arrow string.
        self.paths = pd.Index(paths, dtype=object)
        self.fit_paths = frames[baseline(frames)]["path"]
        self.size, self.channels, self.seed, self.cache = size, channels, seed, cache
        files = self.paths.to_frame(name="path")
        files["bytes"], files["mtime_ns"] = zip(*map(_stamp, self.paths), strict=True)
        settings: dict[str, Any] = {"format": _FORMAT, "size": size, "channels": channels}
        self.known = known if size is None and known is not None and self.paths.isin(known.paths).all() else None
        if self.known is not None:
            settings |= {"embedder": [self.known.made["model"], self.known.made["version"]]}
        elif size is None:
            embedder = embed_images.choose()
            settings |= {"embedder": [embedder.name, embedder.version], "seed": seed}
        #: Names the inputs: other files, changed files or settings give another key.
        self.key = digest(settings, files, self.fit_paths.to_frame())

    def rows(self, paths: pd.Series) -> npt.NDArray[Any]:
        """Inputs of the images at `paths`: uint8 (n, height, width, channels) or float32 (n, features)."""
        found: npt.NDArray[Any] = self._loaded[0][self.paths.get_indexer(paths)]
        return found

    @property
    def embedder(self) -> dict[str, Any] | None:
        """What made the embeddings; None for pixels."""
        return self._loaded[1]

    @cached_property
    def _loaded(self) -> tuple[npt.NDArray[Any], dict[str, Any] | None]:
        if self.known is not None:
            made = {"name": self.known.made["model"], "version": self.known.made["version"]}
            return self.known.vectors[self.known.paths.get_indexer(self.paths)], {
                **made,
                "note": self.known.made["note"],
            }
        paths = [Path(p) for p in self.paths]
        if self.size is not None:
            try:
                return image_pipelines.load_images(paths, self.size, channels=self.channels), None
            except MemoryError as error:
                pixels = self.size[0] * self.size[1] * self.channels
                raise Failed(
                    f"Out of memory: {len(paths):,} images of {self.size[1]}×{self.size[0]} pixels take "
                    f"{len(paths) * pixels / 2**30:,.1f} GiB. Try a smaller --size, or --model features."
                ) from error
        file = None if self.cache is None else self.cache / f"features-{self.key}.npz"
        if file is not None and (saved := caches.read_arrays(file)) is not None:
            return saved["vectors"], json.loads(str(saved["info"]))
        fit_paths = [Path(p) for p in self.fit_paths]
        vectors, made_by = embed_images.fit_embed(fit_paths, paths, seed=self.seed)
        info = dict(made_by)
        if file is not None:
            caches.write_arrays(file, {"vectors": vectors, "info": np.array(json.dumps(info))})
        return vectors, info


def _stamp(path: str) -> tuple[int, int]:
    """Size and modification time of a file: what changes when its content does."""
    try:
        stat = Path(path).stat()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}", expected="an image file") from error
    return stat.st_size, stat.st_mtime_ns
