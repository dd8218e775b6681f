"""The last word on candidate pairs: full decodes, compared pixel by pixel, by a 256-bit hash (imagehash), and by what
they differ in once they are aligned (`audit.copies.local_differences`).

Of files with several frames, all count: their first ones are equal where a title or a blank page comes first.
Decoders let other threads run, so files are decoded side by side.
"""

from __future__ import annotations

import contextlib
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import xxhash
from PIL import Image, UnidentifiedImageError

from imageclinic.audit.copies import local_differences
from imageclinic.core import pixels
from imageclinic.core.pictures import jpeg_pixels
from imageclinic.core.tables import ORIENTATIONS

Progress = Callable[[int, int], None]
Item = TypeVar("Item")
Result = TypeVar("Result")

#: Share of differing bits of the 256-bit hashes that two full decodes of copies stay below.
MAX_HASH_SHARE = 0.25
#: Frames of one file that are compared with another's.
MAX_FRAMES = 8
#: Items that wait for a thread: each takes a kilobyte.
_WAITING = 4096


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
    """`equal`: the same pixels as they are stored. `copy`: what alterations of a whole picture, and logos at its
    margin, explain. `difference`: the largest local one, see `local_differences.Differences.anywhere`. `separate`: two
    shots of one scene. `error`: why a file can't be decoded; then the rest means nothing."""

    equal: bool = False
    copy: bool = False
    difference: float = math.inf
    separate: bool = False
    error: str | None = None


def compare(pairs: Sequence[Pair], *, progress: Progress | None = None, threads: int | None = None) -> list[Verdict]:
    """Compare pairs on full decodes; nothing is raised for a file that vanished or changed. `threads`: as many as there
    are cores, if not given."""
    return _side_by_side(_compare, pairs, progress, threads)


def pixel_digests(
    paths: Sequence[Path], *, progress: Progress | None = None, threads: int | None = None
) -> list[tuple[str | None, str | None]]:
    """For each file a 128-bit hash (xxh3) of its size and its pixels in full, in all frames, or else why it can't be
    decoded. `threads`: see `compare`."""
    return _side_by_side(_digest, paths, progress, threads)


def picture(path: Path) -> Image.Image:
    """The first frame of a file by the rule of `core.pixels`, RGB or grey. Raises what its decoder does."""
    decoded = jpeg_pixels.decode(path)
    if decoded is not None:
        return Image.fromarray(decoded)
    with _decoded(path) as image:
        return pixels.plain(image)


def hash_share(one: Image.Image, two: Image.Image) -> float:
    """Share of the bits in which two pictures' 256-bit perceptual hashes (imagehash) differ."""
    import imagehash  # here, for its import takes long

    return (imagehash.phash(one.convert("L"), hash_size=16) - imagehash.phash(two.convert("L"), hash_size=16)) / 256


def _side_by_side(
    work: Callable[[Item], Result], items: Sequence[Item], progress: Progress | None, threads: int | None
) -> list[Result]:
    results: list[Result] = []
    # The filter is the whole process's: set once, and not by every thread.
    with warnings.catch_warnings(), ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata and of size, which the scan has judged
        for start in range(0, len(items), _WAITING):
            for result in pool.map(work, items[start : start + _WAITING]):
                results.append(result)
                if progress:
                    progress(len(results), len(items))
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
        return None, _reason(error)
    return digest.hexdigest(), None


def _reason(error: Exception) -> str:
    """What a decoder says, without the number of an open file."""
    if isinstance(error, UnidentifiedImageError):
        return "cannot identify image file"
    return str(error) or type(error).__name__


def _compare(pair: Pair) -> Verdict:
    try:
        with _decoded(pair.one) as one, _decoded(pair.two) as two:
            frames = _frames(one)
            if frames != _frames(two):
                return Verdict()
            if frames == 1 and one.size == two.size and _equal(one, two):
                return Verdict(equal=True, copy=True, difference=0.0)
            return _worst(_look(one, two, pair, frame) for frame in _sampled(frames))
    except Exception as error:  # as above
        return Verdict(error=_reason(error))


def _look(one: Image.Image, two: Image.Image, pair: Pair, frame: int) -> Verdict:
    """Compare one frame of both."""
    if _frames(one) > 1:
        one.seek(frame)
        two.seek(frame)
    left, right = pixels.plain(one), _turned(pixels.plain(two), pair.orientation)
    if pair.first:
        left = _cut(left, pair.window)
    else:
        right = _cut(right, pair.window)
    if hash_share(left, right) > MAX_HASH_SHARE:
        return Verdict()
    found = local_differences.differences(left, right)
    return Verdict(False, found.inside <= 1 and not found.separate, found.anywhere, found.separate)


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Of several frames: copies in all of them, or none; no more are looked at than that needs."""
    worst = Verdict(copy=True, difference=0.0)
    for verdict in verdicts:
        if not verdict.copy:
            return verdict
        worst = Verdict(copy=True, difference=max(worst.difference, verdict.difference))
    return worst


def _frames(image: Image.Image) -> int:
    """Frames or pages. Damage behind the first one counts as an error: whether the rest is equal, nobody knows. An MPO
    is taken for the JPEG that it begins as: its other pictures are previews and depth maps."""
    return 1 if image.format in ("JPEG", "MPO") else max(1, int(getattr(image, "n_frames", 1)))


def _sampled(frames: int) -> list[int]:
    """Which frames of so many are compared: up to MAX_FRAMES, evenly spaced, the first and the last among them."""
    return sorted({round(at) for at in np.linspace(0, frames - 1, min(frames, MAX_FRAMES))})


def _equal(one: Image.Image, two: Image.Image) -> bool:
    """Whether two pictures of one size have the same `_pixels`."""
    if one.mode == two.mode == "RGB" and not (one.has_transparency_data or two.has_transparency_data):
        # As they are: alpha, which is full in both, says nothing.
        return bool(np.array_equal(np.asarray(one), np.asarray(two)))
    return bool(np.array_equal(_pixels(one), _pixels(two)))


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
