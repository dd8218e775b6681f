"""How often does the interval of a comparison hold the truth? A simulation, on the interval's own worst ground.

    python -m benchmarks.coverage [--runs 1000] [--seeds 5] [--images 400] [--copies 1]

Two models that are equally good in truth are trained with S paired seeds and tested on the same images, all made up:
a model gets an image right when the image's ease, what this model makes of this image (spread `image`), what this
training run adds (spread `seed`) and a little noise are together above zero. Each run draws new images and new seeds.
Copies of an image share all but the noise, and one cluster. `ratio` is the share of the variance between the seeds in
all of it. For each ratio it prints how many of the intervals hold zero, how many claim a gain (2.5 % are due), the
mean half-width in points, and what the same draws give when the interval is made from the seeds alone, or from the
images alone. Shares with 95 % Wilson intervals.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.show import share, table
from imageclinic.training.compare.intervals import delta_interval

#: Spread between seeds and between images, from images alone to seeds alone.
SPREADS = ((0.0, 0.4), (0.02, 0.4), (0.05, 0.4), (0.1, 0.4), (0.2, 0.2), (0.3, 0.05), (0.3, 0.0))
Table = npt.NDArray[np.bool_]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--copies", type=int, default=1, help="images a cluster")
    given = parser.parse_args(arguments)
    header = ("seed", "image", "ratio", "holds the truth", "claims a gain", "half-width", "seeds alone", "images alone")
    rows = [_row(seed, image, given) for seed, image in SPREADS]
    print(f"{given.runs} runs, {given.seeds} seeds, {given.images} images in clusters of {given.copies}")
    print(table(header, rows))


def draw(
    random: np.random.Generator, seeds: int, clusters: int, copies: int, seed_sd: float, image_sd: float
) -> tuple[Table, Table, npt.NDArray[np.int64]]:
    """Whether each run of two equally good models is right on each image, bool (seeds, clusters · copies) twice, and
    the images' clusters."""
    cluster = np.repeat(np.arange(clusters), copies)
    ease = 1 + random.normal(size=clusters)[cluster]
    found = []
    for _ in range(2):
        model = image_sd * random.normal(size=clusters)[cluster]
        run = seed_sd * random.normal(size=(seeds, 1))
        noise = 0.3 * random.normal(size=(seeds, len(cluster)))
        found.append(ease + model + run + noise > 0)
    return found[0], found[1], cluster


def _row(seed_sd: float, image_sd: float, given: argparse.Namespace) -> tuple[object, ...]:
    random = np.random.default_rng(7)
    held = gained = by_seeds = by_images = 0
    ratios, widths = [], []
    for _ in range(given.runs):
        a, b, cluster = draw(random, given.seeds, given.images // given.copies, given.copies, seed_sd, image_sd)
        found = delta_interval(a, b, cluster)
        held += found.low <= 0 <= found.high
        gained += found.verdict == "gain"
        distance = abs(found.estimate)
        by_seeds += bool(distance <= stats.t.ppf(0.975, given.seeds - 1) * found.seed_variance**0.5)
        by_images += bool(distance <= stats.norm.ppf(0.975) * found.image_variance**0.5)
        ratios.append(found.seed_variance / (found.seed_variance + found.image_variance))
        widths.append(found.half_width)
    return (
        seed_sd,
        image_sd,
        f"{np.mean(ratios):.2f}",
        share(held, given.runs),
        share(gained, given.runs),
        f"{100 * np.mean(widths):.2f}",
        f"{by_seeds / given.runs:.1%}",
        f"{by_images / given.runs:.1%}",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
