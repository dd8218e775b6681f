"""What does reviewing the flags gain, against reviewing or removing at random? Retrained on real label errors.

    python -m benchmarks.compare MANIFEST.csv --truth COLUMN --labels COLUMN,… [--budgets 500,1000,2000] [--seeds 5]
        [--to FOLDER]

It audits the train rows of a manifest (path, split and label columns) on each --labels column, and retrains
linear heads on one embedder's features (`training.compare.retrain`) with paired seeds, tested on the test rows, whose
labels are those of --truth, which the audit never sees. The reviewer is the truth: an image that is looked at gets its
true label. Arms:

- **before**: the given labels.
- **top N**: the N images that the audit ranks as worst are reviewed.
- **random N**: N images drawn at random are reviewed.
- **drop flags**, **drop at random**: all flagged images are dropped unseen, and as many of each class at random.
- **fully clean**: every training label is the true one.
- **top N against random N**: what the ranking adds to the reviewing: the difference of those two arms, not to `before`.

`wrong found` counts the reviewed (dropped) images whose given label was wrong. Delta is in points of accuracy against
`before`, with the 95 % interval of `training.compare.intervals`. --to keeps the audit and the finished runs: it goes on
there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import imageclinic
from benchmarks.show import table
from imageclinic.core import tables
from imageclinic.training.compare import arms as arms_of


def main(arguments: list[str] | None = None) -> None:
    """See this module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--truth", default="label_true")
    parser.add_argument("--labels", default="label")
    parser.add_argument("--budgets", default="500,1000,2000")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path)
    given = parser.parse_args(arguments)
    data = pd.read_csv(given.data, dtype=str)
    with tempfile.TemporaryDirectory() as scratch:
        for column in given.labels.split(","):
            start = time.perf_counter()
            print(f"\n{column}")
            rows = _gains(data, column, (given.to or Path(scratch)) / column, given)
            print(table(("training labels", "wrong found", "accuracy", "delta", "95 %"), rows))
            print(f"{time.perf_counter() - start:,.0f} s")


def _gains(data: pd.DataFrame, column: str, home: Path, given: argparse.Namespace) -> Iterator[tuple[object, ...]]:
    from imageclinic.training.compare.compare_options import CompareOptions
    from imageclinic.training.compare.retrain import compare  # loads TensorFlow

    root = given.data.resolve().parent
    rows = data.assign(image_id=data["path"], label=data[column], path=[str(root / p) for p in data["path"]])
    train, held = rows[rows["split"] == "train"], rows[rows["split"] == "test"]
    frame = pd.DataFrame({"path": train["image_id"], "label": train["label"]})
    run = imageclinic.audit(frame, home / "run", root=root, model="patches", seed=given.seed).run
    scores = run.read_predictions().rows
    clusters, issues = run.read(tables.CLUSTERS), run.read(tables.ISSUES)
    groups = clusters.set_index("image_id")["split_group"]
    place = np.random.default_rng(given.seed).random(len(train))
    train = train.assign(split=np.where(place < 0.15, "val", "train"), split_group=train["image_id"].map(groups))
    truth = train.set_index("image_id")[given.truth]
    wrong = train.set_index("image_id")["label"] != truth
    ranked = scores.sort_values("label_quality")["image_id"].to_numpy(object)
    flagged = issues.loc[issues["check"] == "mislabeled", "image_id"]
    kept = train[~train["image_id"].isin(flagged)]

    arms = {"original": train, "cleaned": train.assign(label=train[given.truth])}
    budgets = [int(budget) for budget in given.budgets.split(",")]
    for budget in budgets:
        arms[f"top {budget}"] = arms_of.reviewed(train, truth, ranked[:budget])
        arms[f"random {budget}"] = arms_of.random_review(train, truth, budget, given.seed)
    arms |= {"drop flags": kept, "drop at random": arms_of.random_removal(train, kept, given.seed)}
    test = pd.DataFrame(
        {
            "image_id": held["image_id"],
            "path": held["path"],
            "label_original": held[given.truth],
            "label_reviewed": held[given.truth],
            "split_group": held["image_id"],
        }
    )
    options = CompareOptions(seeds=given.seeds, seed=given.seed)
    result = compare(arms, test, options, cache=home)
    titles = {"original": "before", "cleaned": "fully clean"}
    for name in ("original", *(n for n in arms if n not in titles), "cleaned"):
        accuracy = float(np.mean(result["arms"][name]["original"]["accuracy"]))
        before = train.set_index("image_id")["label"]
        after = arms[name].set_index("image_id")["label"].reindex(before.index)
        found = int((wrong & (after != before)).sum())
        row = titles.get(name, name), f"{found}/{int(wrong.sum())}", f"{accuracy:.3f}"
        yield (*row, *_points(result["delta"][name]["original"])) if name in result["delta"] else (*row, "", "")
    for budget in budgets:
        # The runs are there already: only what they say of each other is new.
        pair = {"original": arms[f"random {budget}"], "cleaned": arms[f"top {budget}"]}
        delta = compare(pair, test, options, cache=home)["delta"]["cleaned"]["original"]
        yield f"top {budget} against random {budget}", "", "", *_points(delta)


def _points(delta: dict[str, float]) -> tuple[str, str]:
    """A difference and its interval, in points."""
    return f"{100 * delta['estimate']:+.1f}", f"{100 * delta['low']:+.1f} to {100 * delta['high']:+.1f}"


if __name__ == "__main__":
    main(sys.argv[1:])
