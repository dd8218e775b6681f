"""What a comparison says where half of the test is also in training, and the truth is known.

    python -m benchmarks.planted_leak LABELS.csv [--images 400] [--train 0.5] [--seeds 5] [--seed 0] [--to FOLDER]

LABELS.csv: a manifest of photographs with given labels (`label`) and true ones (`label_true`, which the audit never
sees). So many images are drawn, stratified by class, and divided into train and test; of every second test image a copy
is put into train: as it is, or encoded once more at another size. Three comparisons of one run:

- **as it is**: no decision.
- **leak repaired**: the copies are dropped.
- **cleaned**: besides, every wrong label in train is corrected, and one of ten other training images is dropped.

Beside what each arm says is the truth: the same models trained without the planted copies, on the given and on the true
labels. Accuracies in percent on the given test labels, differences in points with their 95 % intervals.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

import imageclinic
from benchmarks.show import table
from imageclinic.core.run import Run


def main(arguments: list[str] | None = None) -> None:
    """See this module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--train", type=float, default=0.5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        home = given.to or Path(scratch)
        rows = plant(given.data, home / "data", given.images, given.train, given.seed)
        checks = ["exact_duplicate", "near_duplicate", "split_leakage", "mislabeled", "split_shift"]
        data = rows[["path", "label", "split"]]
        run = imageclinic.audit(data, home / "run", root=home / "data", checks=checks, seed=given.seed).run
        sizes = rows.groupby("split").size()
        print(
            f"{sizes['train']} training images ({rows['planted'].sum()} of them planted), {sizes['test']} test images"
        )
        truth = true_accuracies(run, rows, given.seeds, given.seed)
        print(table(("truth, without the planted copies", "", "95 %"), truth))
        for name, decisions in repairs(rows, given.seed).items():
            if len(decisions):
                file = home / "decisions.csv"
                decisions.to_csv(file, index=False)
                imageclinic.decide(run.path, source=file, reviewer="the truth")
            result = imageclinic.compare(run.path, seeds=given.seeds, seed=given.seed)
            print(f"\n{name}\n{table(('arm', 'train', 'accuracy', 'against the baseline', '95 %'), _arms(result))}")
            for sentence in _sentences(result):
                print(f"- {sentence}")


def plant(file: Path, folder: Path, images: int, train: float, seed: int) -> pd.DataFrame:
    """Copy the drawn images to `folder` and plant the copies: path, label, label_true, split, planted."""
    rng = np.random.default_rng(seed)
    known = pd.read_csv(file, dtype=str)
    order = known.iloc[rng.permutation(len(known))]
    place = order.groupby("label_true").cumcount() / order.groupby("label_true")["path"].transform("size")
    drawn = order.assign(place=place).sort_values("place", kind="stable").head(images)
    share = drawn.groupby("label_true").cumcount() / drawn.groupby("label_true")["path"].transform("size")
    drawn = drawn.assign(split=np.where(share < train, "train", "test"), planted=False)[
        ["path", "label", "label_true", "split", "planted"]
    ]
    for path in drawn["path"]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file.parent / path, folder / path)
    twins = drawn[drawn["split"] == "test"].iloc[::2].assign(split="train", planted=True)
    names = []
    for number, path in enumerate(twins["path"]):
        name = f"planted/{number}{Path(path).suffix if number % 2 else '.jpg'}"
        (folder / "planted").mkdir(exist_ok=True)
        if number % 2:
            shutil.copy2(folder / path, folder / name)
        elif not (folder / name).exists():  # --to: an audit goes on with the files that it knows
            with Image.open(folder / path) as image:
                smaller = image.convert("RGB").resize((int(0.8 * image.width), int(0.8 * image.height)))
                smaller.save(folder / name, quality=80)
        names.append(name)
    return pd.concat([drawn, twins.assign(path=names)], ignore_index=True)


def repairs(rows: pd.DataFrame, seed: int) -> dict[str, pd.DataFrame]:
    """Decisions, one after another."""
    learnt = rows[(rows["split"] == "train") & ~rows["planted"]]
    wrong = learnt["label"] != learnt["label_true"]
    spare = learnt[~wrong].sample(frac=0.1, random_state=seed)["path"]

    def dropped(paths: pd.Series) -> pd.DataFrame:
        return pd.DataFrame({"image_id": paths, "decision": "drop", "label": None})

    mended = pd.DataFrame(
        {"image_id": learnt.loc[wrong, "path"], "decision": "relabel", "label": learnt.loc[wrong, "label_true"]}
    )
    return {
        "as it is": dropped(rows.loc[[], "path"]),
        "leak repaired": dropped(rows.loc[rows["planted"], "path"]),
        "cleaned": pd.concat([mended, dropped(spare)]),
    }


def true_accuracies(run: Run, rows: pd.DataFrame, seeds: int, seed: int) -> list[tuple[str, str, str]]:
    """The same models without the planted copies, on given and on true labels."""
    from imageclinic.training.compare.compare_options import CompareOptions
    from imageclinic.training.compare.retrain import compare  # loads TensorFlow
    from imageclinic.workflows.steps import comparison_arms, run_state

    arms, test = comparison_arms.of_run(run_state.load(run.path), seed)
    learnt = arms["original"]
    learnt = learnt[~learnt["image_id"].isin(rows.loc[rows["planted"], "path"])]
    true = learnt["image_id"].map(rows.set_index("path")["label_true"])
    # Groups say where copies are, planted ones too: without those, each test image is its own.
    alone = test.assign(split_group=test["image_id"])
    found = compare(
        {"original": learnt, "cleaned": learnt.assign(label=true)},
        alone,
        CompareOptions(seeds=seeds, seed=seed),
        known=comparison_arms.embedded(run),
    )
    gain = found["delta"]["cleaned"]["original"]
    accuracy = np.mean(found["arms"]["original"]["original"]["accuracy"])
    return [("honest accuracy", f"{100 * accuracy:.1f}", ""), ("all labels corrected", *_points(gain))]


def _arms(result: dict[str, Any]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for name, arm in result["arms"].items():
        delta = result["delta"].get(name, {}).get("original")
        accuracy = f"{100 * np.mean(arm['original']['accuracy']):.1f}"
        change = ("", "") if delta is None else _points(delta)
        rows.append((name, arm["n_train"] + arm["n_val"], accuracy, *change))
    return rows


def _sentences(result: dict[str, Any]) -> list[str]:
    leak = [] if result["leak"] is None else result["leak"]["sentences"]
    return [*leak, result["verdict"], *(step["sentence"] for step in result["steps"]), *result["notes"]]


def _points(delta: dict[str, float]) -> tuple[str, str]:
    return f"{100 * delta['estimate']:+.1f}", f"{100 * delta['low']:+.1f} to {100 * delta['high']:+.1f}"


if __name__ == "__main__":
    main(sys.argv[1:])
