"""The last word on candidate pairs: full decodes, compared pixel by pixel or by a 256-bit hash (imagehash).

Decoders let other threads run, so files are decoded side by side.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import xxhash
from PIL import Image

from imageclinic.core import pixels
from imageclinic.core.tables import ORIENTATIONS

Progress = Callable[[int, int], None]
Item = TypeVar("Item")
Result = TypeVar("Result")

#: Frames that are compared of two files of several.
COMPARED = 5
#: Share of differing bits of the 256-bit hashes that two full decodes of copies stay below.
MAX_HASH_SHARE = 0.25


@dataclass(frozen=True)
class Pair:
    """Two files to compare: the second one turned into `orientation` (index into `tables.ORIENTATIONS`), then one of
    them (`first`?) cut to `window`: top, bottom, left, right as shares of the side."""

    one: Path
    two: Path
    orientation: int
    first: bool
    window: tuple[float, float, float, float]


@dataclass(frozen=True)
class Verdict:
    """`equal`: the same pixels as they are stored, in all frames. `share` of differing bits of the hashes, in [0, 1];
    of two files of several frames the greatest of frames spread over them. `error`: why a file can't be decoded; then
    the rest means nothing."""

    equal: bool = False
    share: float = 1.0
    error: str | None = None


def compare(pairs: list[Pair], *, progress: Progress | None = None) -> list[Verdict]:
    """Compare pairs on full decodes; nothing is raised for a file that vanished or changed."""
    return _side_by_side(_compare, pairs, progress)


def pixel_digests(paths: list[Path], *, progress: Progress | None = None) -> list[tuple[str | None, str | None]]:
    """For each file a 128-bit hash (xxh3) of its size and its pixels in full, in all frames, or else why it can't be
    decoded."""
    return _side_by_side(_digest, paths, progress)


def _side_by_side(work: Callable[[Item], Result], items: list[Item], progress: Progress | None) -> list[Result]:
    results = []
    # The filter is the whole process's: set once, and not by every thread.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata and of size, which the scan has judged
        for done, result in enumerate(pool.map(work, items), start=1):
            results.append(result)
            if progress:
                progress(done, len(items))
    return results


def _digest(path: Path) -> tuple[str | None, str | None]:
    try:
        with _decoded(path) as image:
            digest = xxhash.xxh3_128()
            for frame in range(_frames(image)):
                image.seek(frame)
                stored = _pixels(image)
                digest.update(f"{stored.shape} {stored.dtype}".encode())
                digest.update(np.ascontiguousarray(stored).data)
    except Exception as error:  # decoders raise anything, and one file must not stop a run
        return None, str(error) or type(error).__name__
    return digest.hexdigest(), None


def _compare(pair: Pair) -> Verdict:
    try:
        with _decoded(pair.one) as one, _decoded(pair.two) as two:
            several = _frames(one), _frames(two)
            equal = several[0] == several[1] and _equal(one, two, range(several[0]))
            # Files of several frames that begin alike (a title, a blank slice) are no copies for that.
            at = np.linspace(0, 1, COMPARED if min(several) > 1 else 1)
            share = 0.0 if equal else max(_share(one, two, several, float(place), pair) for place in at)
    except Exception as error:  # as above
        return Verdict(error=str(error) or type(error).__name__)
    return Verdict(equal, share)


def _equal(one: Image.Image, two: Image.Image, frames: range) -> bool:
    for frame in frames:
        one.seek(frame)
        two.seek(frame)
        if one.size != two.size or not np.array_equal(_pixels(one), _pixels(two)):
            return False
    return True


def _share(one: Image.Image, two: Image.Image, frames: tuple[int, int], place: float, pair: Pair) -> float:
    """Share of differing bits of the frames at a place, from 0 (the first) to 1 (the last)."""
    for image, n in zip((one, two), frames, strict=True):
        image.seek(round(place * (n - 1)))
    left, right = (pixels.plain(image).convert("L") for image in (one, two))
    right = _turned(right, pair.orientation)
    if pair.first:
        left = _cut(left, pair.window)
    else:
        right = _cut(right, pair.window)
    import imagehash  # here, for its import takes long

    return (imagehash.phash(left, hash_size=16) - imagehash.phash(right, hash_size=16)) / 256


def _frames(image: Image.Image) -> int:
    """Frames or pages. Damage behind the first one counts as an error: whether the rest is equal, nobody knows. An MPO
    is taken for the JPEG that it begins as: its other pictures are previews and depth maps."""
    return 1 if image.format in ("JPEG", "MPO") else max(1, int(getattr(image, "n_frames", 1)))


def _pixels(image: Image.Image) -> npt.NDArray[Any]:
    """Pixels at full depth and with alpha, without regard to how they are stored: palette, grey or colour. Not by
    the rule of `core.pixels`: pictures that look the same to a model may differ in what their files hold."""
    return np.asarray(image if pixels.deep(image.mode) else image.convert("RGBA"))


@contextlib.contextmanager
def _decoded(path: Path) -> Iterator[Image.Image]:
    with pixels.open_file(path) as image:
        image.load()
        yield image


_TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    if ORIENTATIONS[orientation].startswith("flip"):
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    operation = _TURNS[orientation % 4]
    return image if operation is None else image.transpose(operation)


def _cut(image: Image.Image, window: tuple[float, float, float, float]) -> Image.Image:
    top, bottom, left, right = window
    return image.crop(
        (
            round(left * image.width),
            round(top * image.height),
            round(right * image.width),
            round(bottom * image.height),
        )
    )
