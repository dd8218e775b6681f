"""Make photographs to measure on, from those that scikit-learn and scikit-image ship. Nothing is downloaded.

    python -m benchmarks.photos OUT N [--tiny M] [--seed S]

writes ``OUT/photos/<source>/*.jpg`` (N crops of about 500 × 375 pixels and 110 kB) and ``OUT/tiny/<source>/*.jpg``
(M crops reduced to 32 × 32), and beside them ``photos.csv`` and ``tiny.csv``: which part of which photograph each file
shows. Place, scale, flip, brightness, grain and JPEG quality vary; the same seed makes the same files.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import csv
import importlib.util
import io
import multiprocessing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

#: Colour photographs by package, and the folder that they lie in.
SOURCES = {
    "sklearn": ("datasets/images", ("china.jpg", "flower.jpg")),
    "skimage": (
        "data",
        (
            "astronaut.png",
            "chelsea.png",
            "coffee.png",
            "hubble_deep_field.jpg",
            "ihc.png",
            "motorcycle_left.png",
            "retina.jpg",
            "rocket.jpg",
        ),
    ),
}
#: Width over height, as cameras have it.
ASPECTS = (4 / 3, 3 / 2, 1.0, 3 / 4)
MEAN_BYTES = 110_000
TINY = 32
#: Left, top, right, bottom, in pixels.
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Crop:
    """One picture: the box of its source that it shows, and whether it is mirrored."""

    name: str
    source: str
    box: Box
    mirrored: bool


def photographs() -> list[Path]:
    """The photographs at hand. Raises FileNotFoundError when a package is not installed."""
    found = []
    for package, (folder, names) in SOURCES.items():
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise FileNotFoundError(f"{package} is not installed: its photographs are cut up here")
        found += [Path(spec.origin).parent / folder / name for name in names]
    return found


@lru_cache(maxsize=len(SOURCES["sklearn"][1]) + len(SOURCES["skimage"][1]))
def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _box(rng: np.random.Generator, image: Image.Image, aspect: float, scale: float) -> Box:
    """A box of this aspect whose side is `scale` of the largest one that fits, anywhere in the image."""
    width = min(image.width, image.height * aspect) * scale
    height = width / aspect
    left, top = rng.uniform(0, image.width - width), rng.uniform(0, image.height - height)
    return left, top, left + width, top + height


def photo(seed: int, sources: list[Path], name: str) -> tuple[Crop, bytes]:
    """One photograph of about 500 × 375 pixels as JPEG; sizes vary around MEAN_BYTES."""
    rng = np.random.default_rng(seed)
    source = sources[int(rng.integers(len(sources)))]
    image = _opened(source)
    aspect = ASPECTS[int(rng.integers(len(ASPECTS)))]
    box = _box(rng, image, aspect, rng.uniform(0.45, 1))
    side = int(rng.integers(460, 541))
    size = (side, round(side / aspect)) if aspect >= 1 else (round(side * aspect), side)
    cut, mirrored = _cut(rng, image, box, size)
    pixels = np.asarray(cut, dtype=np.float64)
    # Enlarged pictures lack the grain that a camera leaves; without it they would compress to a third.
    pixels = 255 * (pixels / 255) ** rng.uniform(0.8, 1.25) + rng.normal(0, rng.uniform(3, 8), (*pixels.shape[:2], 1))
    grainy = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    wanted = MEAN_BYTES * rng.lognormal(-0.06, 0.35) * size[0] * size[1] / (500 * 375)
    return Crop(name, source.stem, box, mirrored), _encoded(grainy, wanted)


def tiny(seed: int, sources: list[Path], name: str) -> tuple[Crop, bytes]:
    """One photograph of 32 × 32 pixels as JPEG."""
    rng = np.random.default_rng(seed)
    source = sources[int(rng.integers(len(sources)))]
    image = _opened(source)
    box = _box(rng, image, 1.0, rng.uniform(0.15, 1))
    cut, mirrored = _cut(rng, image, box, (TINY, TINY))
    buffer = io.BytesIO()
    cut.save(buffer, "JPEG", quality=int(rng.integers(85, 97)))
    return Crop(name, source.stem, box, mirrored), buffer.getvalue()


def _cut(rng: np.random.Generator, image: Image.Image, box: Box, size: tuple[int, int]) -> tuple[Image.Image, bool]:
    mirrored = bool(rng.random() < 0.5)
    cut = image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=2)
    return (cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else cut), mirrored


def _encoded(image: Image.Image, wanted: float) -> bytes:
    """JPEG at the quality (50 to 98) whose size comes close to `wanted` bytes."""
    low, high, data = 50, 98, b""
    while low <= high:
        quality = (low + high) // 2
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        data = buffer.getvalue()
        if len(data) < wanted:
            low = quality + 2
        else:
            high = quality - 2
    return data


MAKERS = {"photos": photo, "tiny": tiny}
_Task = tuple[str, int, int, list[Path], Path]


def _write(task: _Task) -> list[Crop]:
    """Make the pictures first, first + 1, … of a kind: they depend on their number and the seed only."""
    kind, first, n, sources, out = task
    crops = []
    for number in range(first, first + n):
        crop, data = MAKERS[kind](number, sources, f"{number % 10**9:06d}.jpg")
        folder = out / kind / crop.source
        folder.mkdir(parents=True, exist_ok=True)
        (folder / crop.name).write_bytes(data)
        crops.append(crop)
    return crops


def make(out: Path, n: int, kind: str, *, seed: int = 0, sources: list[Path] | None = None) -> list[Crop]:
    """Write n pictures of a kind (photos or tiny) to `out`/kind, and `out`/kind.csv.

    Args:
        out: a folder; made if it is not there.
        n: number of pictures.
        kind: photos or tiny.
        seed: other seeds make other pictures.
        sources: photographs to cut up; default: `photographs()`.

    Returns:
        What each file shows, in the order of their numbers.
    """
    chosen = photographs() if sources is None else sources
    first = seed * 10**9
    step = max(1, min(200, n // 8))
    tasks: list[_Task] = [(kind, first + i, min(step, n - i), chosen, out) for i in range(0, n, step)]
    if len(tasks) < 8:
        parts = [_write(task) for task in tasks]
    else:
        with concurrent.futures.ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
            parts = list(pool.map(_write, tasks))
    crops = [crop for part in parts for crop in part]
    with (out / f"{kind}.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "source", "left", "top", "right", "bottom", "mirrored"))
        rows.writerows((f"{c.source}/{c.name}", c.source, *(f"{x:.1f}" for x in c.box), int(c.mirrored)) for c in crops)
    return crops


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("n", type=int, help="photographs")
    parser.add_argument("--tiny", type=int, default=None, metavar="M", help="tiny pictures (default: ten times N)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for kind, n in (("photos", options.n), ("tiny", 10 * options.n if options.tiny is None else options.tiny)):
        if not n:
            continue
        make(options.out, n, kind, seed=options.seed)
        sizes = [path.stat().st_size for path in (options.out / kind).rglob("*.jpg")]
        print(f"{options.out / kind}: {len(sizes)} files, {np.mean(sizes) / 1000:.1f} kB on average")


if __name__ == "__main__":
    main()
