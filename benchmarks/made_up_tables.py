"""The tables of a scan of images that do not exist, for `benchmarks.memory`.

One in 50 is a byte-identical copy of another, one in 100 a near copy (its hash differs by a few bits, its thumbnail by
noise), one in 20 belongs to a group (a person, a camera), one in 1,000 can't be read; brightness, sharpness, sizes and
hashes are drawn at random.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from imageclinic.core import tables
from imageclinic.core.run import Run

_CHUNK = 50_000
SIDE = 32


def make(run: Run, n: int, labels: int, seed: int) -> None:
    """Write the tables of a scan."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"class-{k % labels:04d}/image-{k:07d}.jpg" for k in range(n)], dtype=object)
    unread = rng.random(n) < 0.001
    origin = np.arange(n)
    same = rng.choice(n, n // 50, replace=False)
    origin[same] = (same + labels * (1 + rng.integers(0, 50, len(same)))) % n
    content = rng.integers(0, 2**62, n)[origin]
    width, height = (np.maximum(16, rng.lognormal(6, 0.3, n)).astype(np.int64)[origin] for _ in range(2))
    dataset = tables.frame(
        tables.DATASET,
        image_id=ids,
        label=[f"class-{k % labels:04d}" for k in range(n)],
        group=_where(rng.random(n) < 0.05, (f"person-{g}" for g in rng.integers(0, n // 10 + 1, n))),
        bytes=rng.integers(5_000, 200_000, n)[origin],
        mtime_ns=rng.integers(1_600_000_000_000_000_000, 1_700_000_000_000_000_000, n),
        sha256=[f"{c:064x}" for c in content],
        format="JPEG",
        width=width,
        height=height,
        mode="RGB",
        read_error=_where(unread, itertools.repeat("truncated: premature end of JPEG file")),
    )
    run.write(tables.DATASET, dataset)
    hashes, near = _hashes(rng, n, origin)
    readable = np.flatnonzero(~unread)
    uniform = {
        name: rng.random(n, dtype=np.float32)[origin][readable]
        for name in ("luminance_mean", "luminance_p05", "luminance_p99", "contrast", "colour")
    }
    features = tables.frame(
        tables.FEATURES,
        image_id=ids[readable],
        **{f"phash_{o}": hashes[readable, at] for at, o in enumerate(tables.ORIENTATIONS)},
        pixel_hash=content.astype(np.uint64)[readable],
        entropy=rng.normal(7, 0.5, n).clip(0, 8).astype(np.float32)[origin][readable],
        sharpness=rng.lognormal(-3, 0.5, n).astype(np.float32)[origin][readable],
        frames=np.ones(len(readable), np.int64),
        **uniform,
    )
    run.write(tables.FEATURES, features)
    tables.write_byte_chunks(
        run.thumbnails, {"image_id": ids[readable]}, "thumbnail", _thumbnails(near[origin][readable], seed), SIDE**2
    )


def _where(chosen: npt.NDArray[np.bool_], values: Iterable[str]) -> list[str | None]:
    return [value if one else None for one, value in zip(chosen.tolist(), values, strict=False)]


def _hashes(
    rng: np.random.Generator, n: int, origin: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.intp]]:
    """Perceptual hashes, and for each image the one whose thumbnail it has, more or less."""
    hashes = rng.integers(0, 2**64, (n, len(tables.ORIENTATIONS)), dtype=np.uint64)
    shown = np.arange(n)
    near = rng.choice(n, n // 100, replace=False)
    source = (near + 1 + rng.integers(0, n - 1, len(near))) % n
    shown[near] = source
    hashes[near] = hashes[source]
    for _ in range(3):
        hashes[near, 0] ^= np.uint64(1) << rng.integers(0, 64, len(near), np.uint64)
    return hashes[origin], shown


def _thumbnails(shown: npt.NDArray[np.intp], seed: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Noisy gradients, the same for the same number but for a little noise."""
    rng = np.random.default_rng(seed)
    base = rng.integers(40, 200, 2 * _CHUNK + SIDE**2, dtype=np.uint8)
    for start in range(0, len(shown), _CHUNK):
        at = shown[start : start + _CHUNK]
        rows = base[(at % (2 * _CHUNK))[:, None] + np.arange(SIDE**2)]
        yield rows + rng.integers(0, 8, rows.shape, dtype=np.uint8)
