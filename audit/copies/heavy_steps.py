"""The steps of the search for copies that take most of its time, and where they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from imageclinic.audit.copies import full_decode_match, hamming
from imageclinic.audit.copies.full_decode_match import Pair, Progress, Verdict
from imageclinic.audit.copies.hamming import Search
from imageclinic.audit.copies.laid_over import embedding_pairs


class Compare(Protocol):
    """See `audit.copies.full_decode_match.compare`."""

    def __call__(self, pairs: Sequence[Pair], *, progress: Progress | None = None) -> list[Verdict]: ...


class PixelDigests(Protocol):
    """See `audit.copies.full_decode_match.pixel_digests`."""

    def __call__(
        self, paths: Sequence[Path], *, progress: Progress | None = None
    ) -> list[tuple[str | None, str | None]]: ...


class Confirm(Protocol):
    """See `audit.copies.laid_over.embedding_pairs.confirm`."""

    def __call__(
        self, pairs: npt.NDArray[np.intp], path: Callable[[int], Path], *, progress: Progress | None = None
    ) -> embedding_pairs.Pairs: ...


@dataclass(frozen=True)
class HeavySteps:
    """On this machine; an engine with others has its own. The results are the same."""

    search: Search = hamming.search
    compare: Compare = full_decode_match.compare
    pixel_digests: PixelDigests = full_decode_match.pixel_digests
    confirm: Confirm = embedding_pairs.confirm


HERE = HeavySteps()
