"""Is a gain claimed where there is none? Comparisons of training sets that differ in nothing that matters.

    python -m benchmarks.aa [--runs 200] [--seeds 5] [--to FILE.csv]
    python -m benchmarks.aa MANIFEST.csv [--label COLUMN] [--runs 200] [--seeds 5] [--to FILE.csv]

Each run draws its own training and test images, and has seeds of its own; a seed draws the
validation images as a comparison does (`training.compare.arms.redraw`). The model is `features`: linear heads, L2
strength chosen on validation, and the claim is that of `training.compare.intervals`. Without a manifest the images are
scikit-learn's digits, their pixels are the features, 600 are learnt from and 500 tested on. With one (columns path,
split, label) the images are embedded once, the embedder fitted on the train rows; 1,000 train rows are learnt from and
1,000 test rows tested on.

Two pairs of arms:

- **all, and all but 5 %**: the other arm lacks 5 % of the images, drawn at random, as after a cleaning that dropped
  what was fine.
- **two lacking 5 %**: each arm lacks another 5 %, so that neither can be better but by chance.

It counts the claims, with 95 % Wilson intervals: 2.5 % gains are due. --to keeps a line a run; runs that are there are
not done again, so a larger --runs goes on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.datasets import load_digits

from benchmarks.show import share, table
from imageclinic.core import tables
from imageclinic.training.compare.arms import redraw
from imageclinic.training.compare.intervals import delta_interval

CLAIMS = ("gain", "worse")
LACKS, VALIDATION = 0.05, 0.15
#: What the arms lack: the first part, the second, or nothing.
PAIRS = {"all, and all but 5 %": (None, 0), "two lacking 5 %": (0, 1)}
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Pool = tuple[Floats, Ints, npt.NDArray[np.bool_] | None]


def main(arguments: list[str] | None = None) -> None:
    """See this module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--label", default="label")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path)
    given = parser.parse_args(arguments)
    done = pd.DataFrame(columns=["run", "arms", "estimate", "low", "high", "verdict"])
    if given.to is not None and given.to.exists():
        done = pd.read_csv(given.to)
    pool: Pool | None = None
    for run in sorted(set(range(given.runs)) - set(done["run"])):
        if pool is None:
            pool = _digits() if given.data is None else _embedded(given.data, given.label, given.seed)
        rows = pd.DataFrame(_run(pool, run, given.seeds, given.seed))
        done = rows if done.empty else pd.concat([done, rows], ignore_index=True)
        if given.to is not None:
            tables.write_text(given.to, done.to_csv(index=False))
    done = done[done["run"] < given.runs]
    print(f"{given.runs} runs, {given.seeds} seeds each")
    header = ("arms", *(f"claims {word}" for word in CLAIMS), "mean half-width")
    print(table(header, [_counts(arms, done[done["arms"] == arms]) for arms in PAIRS]))


def _counts(arms: str, rows: pd.DataFrame) -> tuple[str, ...]:
    half = ((rows["high"] - rows["low"]) / 2).mean()
    return arms, *(share(int((rows["verdict"] == word).sum()), len(rows)) for word in CLAIMS), f"{100 * half:.1f}"


def _run(pool: Pool, run: int, seeds: int, seed: int) -> list[dict[str, object]]:
    from imageclinic.training.predict import linear_probe  # loads TensorFlow

    features, labels, held = pool
    random = np.random.default_rng([seed, run])
    if held is None:
        order = random.permutation(len(labels))
        learn, test = order[:600], order[600:1100]
    else:
        learn, test = (random.permutation(np.flatnonzero(part))[:1000] for part in (~held, held))
    missing = int(LACKS * len(learn))
    right: dict[int | None, npt.NDArray[np.bool_]] = {}
    for lacks in {part for pair in PAIRS.values() for part in pair}:
        gone = slice(0, 0) if lacks is None else slice(lacks * missing, (lacks + 1) * missing)
        rows = np.delete(learn, gone)
        frame = pd.DataFrame({"label": labels[rows], "split_group": rows.astype(str), "split": "train"})
        frame.loc[: round(VALIDATION * len(frame)) - 1, "split"] = "val"
        draws = [redraw(frame, seed + run * seeds + number)["split"] == "val" for number in range(seeds)]
        heads = linear_probe.fit_each(features[rows], labels[rows], np.stack(draws), int(labels.max()) + 1)
        right[lacks] = np.stack([head.logits(features[test]).argmax(axis=1) == labels[test] for head in heads])
    found = {name: delta_interval(right[a], right[b], test) for name, (a, b) in PAIRS.items()}
    return [
        {"run": run, "arms": name, "estimate": i.estimate, "low": i.low, "high": i.high, "verdict": i.verdict}
        for name, i in found.items()
    ]


def _digits() -> Pool:
    pixels, labels = load_digits(return_X_y=True)
    return (pixels / 16).astype(np.float32), labels.astype(np.int64), None


def _embedded(manifest: Path, label: str, seed: int) -> Pool:
    from imageclinic.training.embed import embed_images  # loads TensorFlow

    rows = pd.read_csv(manifest, dtype=str)
    rows = rows[rows["split"].isin(["train", "test"])]
    paths = [manifest.resolve().parent / tables.to_path(p) for p in rows["path"]]
    held = (rows["split"] == "test").to_numpy()
    vectors, _ = embed_images.fit_embed([p for p, test in zip(paths, held, strict=True) if not test], paths, seed=seed)
    numbers: Ints = np.unique(rows[label].to_numpy(object), return_inverse=True)[1].astype(np.int64)
    return vectors, numbers, held


if __name__ == "__main__":
    main(sys.argv[1:])
