"""How long a split takes and what memory, and how even it is against scikit-learn's StratifiedGroupKFold.

    python -m benchmarks.split [--rows 10000000] [--cases 200]

The first table: a made-up table of so many images (1,000 classes, the largest of which holds over a third; a third of
the images in groups of 2 to 40 of mixed classes) is split 80:10:10 by `cleaning.split.stratified_split.assign`. It
prints wall-clock and
processor seconds, the peak memory of the process with and without the table, and what must be 0: groups in two splits.
The second: so many random skewed cases (2 to 8 classes, 20 to 119 groups of 1 to 60 images) in 3 to 5 equal folds. It
prints the mean over classes and folds of how far the share of a class that a fold has is off 1/folds, for ours and for
StratifiedGroupKFold, the cases in which each is better, and leaks, groups in two folds. `--rows 0` or `--cases 0`
leaves a table out.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.show import table
from imageclinic.cleaning.split.stratified_split import allocate, assign

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Timed:
    """A split of many rows: seconds, peak memory in bytes before and in the end, rows per split, divided groups."""

    wall: float
    processor: float
    before: int
    peak: int
    counts: dict[str, int]
    leaks: int


def made_up(rows: int, seed: int = 0) -> pd.DataFrame:
    """image_id, label, split_group of images that don't exist."""
    random = np.random.default_rng(seed)
    label = np.array([f"class {c:03}" for c in range(1000)], dtype=object)[np.minimum(random.zipf(1.5, rows) - 1, 999)]
    sizes = random.choice([2, 3, 5, 40], rows // 6 + 1, p=[0.6, 0.25, 0.1, 0.05])
    member = np.repeat(np.arange(len(sizes)), sizes)[: rows // 3]
    group = [f"group {g:08}" for g in member] + [None] * (rows - len(member))
    return pd.DataFrame(
        {
            "image_id": pd.Series([f"images/{n:08}.jpg" for n in range(rows)], dtype="str"),
            "label": pd.Series(label, dtype="str"),
            "split_group": pd.Series(group, dtype="str"),
        }
    )


def time_rows(rows: int) -> Timed:
    """Split a made-up table of `rows` rows."""
    images = made_up(rows)
    before = _peak()
    wall, processor = time.perf_counter(), time.process_time()
    splits, _ = assign(images, (0.8, 0.1, 0.1), seed=0)
    wall, processor, peak = time.perf_counter() - wall, time.process_time() - processor, _peak()
    grouped = images["split_group"].notna().to_numpy()
    parts = splits.loc[grouped, "split"].groupby(images.loc[grouped, "split_group"]).nunique()
    counts = {str(name): int(n) for name, n in splits["split"].value_counts().items()}
    return Timed(wall, processor, before, peak, counts, int((parts > 1).sum()))


def skewed(random: np.random.Generator) -> tuple[Ints, Ints]:
    """Label and group of each row of a random case: few large groups, rare classes, groups of mixed classes."""
    n_classes, n_groups = random.integers(2, 9), random.integers(20, 120)
    prior = random.dirichlet(np.full(n_classes, 0.7)) * 0.9 + 0.1 / n_classes
    sizes = np.ceil(random.pareto(1.5, n_groups) * 3 + 0.5).clip(1, 60).astype(int)
    group = np.repeat(np.arange(n_groups), sizes)
    mix = np.array([random.dirichlet(prior * random.choice([0.3, 3])) for _ in range(n_groups)])
    label = np.array([random.choice(n_classes, p=mix[g]) for g in group])
    return label, group


def deviation(label: Ints, part: Ints, folds: int) -> float:
    """Mean over classes and folds of |share of the class that is in the fold - 1/folds|."""
    share = pd.crosstab(label, part, normalize="index").reindex(columns=range(folds), fill_value=0)
    return float((share - 1 / folds).abs().to_numpy().mean())


def leaks(group: Ints, part: Ints) -> int:
    """Groups that are in two folds."""
    return int((pd.Series(part).groupby(group).nunique() > 1).sum())


def compare(cases: int, seed: int = 7) -> pd.DataFrame:
    """One row a case: deviation and leaks of ours and of scikit-learn's."""
    random = np.random.default_rng(seed)
    rows = []
    for case in range(cases):
        label, group = skewed(random)
        folds = int(random.integers(3, 6))
        ours = allocate(pd.Series(label.astype(str)), pd.Series(group.astype(str)), [1] * folds, seed=case)
        theirs = np.zeros(len(label), np.int64)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=case)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of classes with fewer images than folds
            for fold, (_, test) in enumerate(splitter.split(label, label, group)):
                theirs[test] = fold
        rows.append((deviation(label, ours, folds), deviation(label, theirs, folds), leaks(group, ours)))
    return pd.DataFrame(rows, columns=["ours", "theirs", "leaks"])


def report_rows(rows: int, timed: Timed) -> str:
    """The first table."""
    cells: list[tuple[str, Any]] = [
        ("rows", f"{rows:,}"),
        ("seconds", f"{timed.wall:.1f}"),
        ("processor seconds", f"{timed.processor:.1f}"),
        ("peak memory, GB", f"{timed.peak / 1e9:.2f}"),
        ("of which before the split, GB", f"{timed.before / 1e9:.2f}"),
        *((name, f"{timed.counts.get(name, 0):,}") for name in ("train", "val", "test")),
        ("groups in two splits", timed.leaks),
    ]
    return table(["", ""], cells)


def report_cases(found: pd.DataFrame) -> str:
    """The second table."""
    better, worse = int((found["ours"] < found["theirs"]).sum()), int((found["ours"] > found["theirs"]).sum())
    return table(
        [f"{len(found)} cases", "ours", "StratifiedGroupKFold"],
        [
            ("mean deviation, points", f"{100 * found['ours'].mean():.2f}", f"{100 * found['theirs'].mean():.2f}"),
            ("median", f"{100 * found['ours'].median():.2f}", f"{100 * found['theirs'].median():.2f}"),
            ("better in", better, worse),
            ("leaks", int(found["leaks"].sum()), "–"),
        ],
    )


def _peak() -> int:
    """Peak memory of this process in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--cases", type=int, default=200)
    arguments = parser.parse_args()
    if arguments.rows:
        print(report_rows(arguments.rows, time_rows(arguments.rows)), flush=True)
    if arguments.cases:
        print(report_cases(compare(arguments.cases)))


if __name__ == "__main__":
    main()
