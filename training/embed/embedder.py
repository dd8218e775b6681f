"""What an embedder is: how it is chosen, made ready and described."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from imageclinic.core.errors import Failed, InputError
from imageclinic.training.out_of_memory import ran_out

Floats = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]

#: What the names of KerasHub's networks begin with: see `training.embed.hub_embedder`.
HUB = "hub:"


class EmbedderInfo(TypedDict):
    """What made the vectors; JSON as it is."""

    name: str
    version: str
    note: str
    size: str
    """Width×height in pixels of the images that it saw."""
    shallow: str
    """Columns of features of earlier layers, ``from:to``; empty where there are none. See `core.tables.Embeddings`."""
    weights: str
    """The first digits of its weights' SHA-256; empty where `version` alone names them."""


@dataclass(frozen=True)
class Ready:
    """An embedder that can be used: `vectors` takes images in [0, 255], (n, *size, channels), to float32 (n, width)."""

    vectors: Callable[[Any], Any]
    width: int
    size: tuple[int, int]
    channels: int
    known: Mapping[Path, Floats] = field(default_factory=dict)
    """Vectors of images that were embedded on the way."""
    shallow: str = ""
    """See `EmbedderInfo`."""
    weights: str = ""
    """See `EmbedderInfo`."""
    takes: type[np.floating] | type[np.uint8] = np.float32
    """What numbers `vectors` takes."""


@dataclass(frozen=True)
class Embedder:
    """An embedder that was chosen. `note` says, for users, what was taken; `advice`, how to get a better one, for where
    it was not compared with others on the images themselves.

    `prepare` takes the paths of the images to learn from, a seed and a progress callback (done, total). Only then
    are weights read, or downloaded, or learnt.
    """

    name: str
    version: str
    note: str
    prepare: Callable[[Sequence[Path], int, Progress], Ready]
    parts: tuple[Embedder, ...] = ()
    """Those that are used side by side, where it is several; each is prepared by itself."""
    learns: bool = False
    """Whether it learns from the images that it is prepared with."""
    advice: str = ""

    def info(self, size: str, shallow: str = "", weights: str = "") -> EmbedderInfo:
        """What it is, the size of the images that it saw, which columns are those of earlier layers, and the hash of
        its weights."""
        return {
            "name": self.name,
            "version": self.version,
            "note": self.note,
            "size": size,
            "shallow": shallow,
            "weights": weights,
        }


class Halving:
    """Embeds batches in halves, quarters, … where the device's memory does not bear the whole, from the first batch
    that runs out of it on."""

    def __init__(self, vectors: Callable[[Any], Any]) -> None:
        self.vectors = vectors
        self.most: int | None = None
        """Images that are taken at once; None for all that come."""

    def __call__(self, images: Any) -> Any:
        """`vectors` of the images, (n, …). Raises Failed when memory does not bear a single one."""
        count, done = len(images), []
        start, size = 0, min(len(images), self.most or len(images))
        while start < count:
            try:
                done.append(np.asarray(self.vectors(images[start : start + size])))
                start += size
            except Exception as error:
                if not ran_out(error):
                    raise
                if size == 1:
                    raise Failed("Out of memory for a single image. Try a smaller --model.") from error
                self.most = size = size // 2
        return done[0] if len(done) == 1 else np.concatenate(done)


def checked(vectors: Any, count: int, name: str) -> Floats:
    """`vectors` as float32 (count, d). Raises InputError when that isn't what the embedder `name` gave, or when
    a number is not finite."""
    found = np.asarray(vectors)
    if found.ndim != 2 or len(found) != count or found.shape[1] == 0 or found.dtype.kind not in "fiu":
        raise InputError(
            f"{name} gave {found.dtype} of shape {found.shape} for {count} images",
            expected=f"numbers of shape ({count}, d)",
        )
    if not np.isfinite(found).all():
        raise InputError(f"{name} gave NaN or infinity", expected="finite numbers")
    return found.astype(np.float32)
