"""What a random split leaks, and what accuracy it pretends.

    python -m benchmarks.leak DATA [--label-column label] [--runs] [--seeds 3] [--epochs 20] [--size 32]

DATA: class folders, or a manifest whose own split is ignored. It is audited (copies only), and split 60:20:20 in two
ways, with several seeds: at random, image by image and stratified, as `train_test_split` does; and ours, in which
copies and groups stay on one side. `--runs` makes a group of each run of file numbers over the
classes, the pictures of one person in data where each person shows every class once, one after another: a run ends
where the number of the class does not go up, or the file number jumps by more than 10.

Printed are, for each way: how far the share of a class that a split has is off the share of all images that it has (the
mean and the worst, in points), pairs of copies and groups in two splits, seconds for a split, and the accuracy on the
test images of the nearest neighbour (pixels of 32 × 32 in grey, each picture normalised) and of a small network
(`small_cnn`, the best epoch by validation). The network's seed is the split's. Below: what the random split pretends,
the difference of the means, and its range over the seeds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.show import table
from imageclinic.audit.listing import image_listing
from imageclinic.cleaning.split.stratified_split import assign, split_groups
from imageclinic.core import tables

Ints = npt.NDArray[np.int64]
SHARES = (0.6, 0.2, 0.2)
LEARNERS = ("nearest neighbour", "small network")
_NO_MODEL = ("mislabeled", "outlier", "overlapping_classes")


def runs_of(image_id: pd.Series, label: pd.Series) -> pd.Series:
    """A name for the run of file numbers that each image is in (null without a number)."""
    number = image_id.str.extract(r"(\d+)[^\d/]*$", expand=False).astype("float64")
    rows = pd.DataFrame({"number": number, "label": pd.factorize(label, sort=True)[0]}).dropna().sort_values("number")
    starts = (rows["label"].diff() <= 0) | (rows["number"].diff() > 10)
    return ("run " + starts.cumsum().astype(str)).reindex(image_id.index).astype("str")


def audited(data: Path, column: str, runs: bool, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, Path]:
    """image_id, label and split_group of the readable, labelled images; pairs of copies; the root of the images."""
    import imageclinic

    listing = image_listing.load(data, columns={"label": column} if data.is_file() else None)
    images = listing.images[listing.images["label"].notna()].reset_index(drop=True)
    group = runs_of(images["image_id"], images["label"]) if runs else images["group"]
    frame = pd.DataFrame({"path": images["image_id"], "label": images["label"], "group": group})
    run = imageclinic.audit(frame, folder / "run", root=listing.root, skip=_NO_MODEL).run
    dataset = run.read(tables.DATASET)
    found = dataset.loc[dataset["read_error"].isna(), ["image_id", "label"]].reset_index(drop=True)
    found["split_group"] = split_groups(found["image_id"], run.read(tables.CLUSTERS))
    found["run"] = found["image_id"].map(frame.set_index("path")["group"])
    return found, run.read(tables.NEIGHBORS), listing.root


def splits_of(images: pd.DataFrame, way: str, seed: int) -> pd.Series:
    """The split of each image, by image_id: ``random`` knows no groups."""
    grouped = images.assign(split_group=None) if way == "random" else images
    return assign(grouped, SHARES, seed=seed)[0].set_index("image_id")["split"]


def divided(images: pd.DataFrame, pairs: pd.DataFrame, split: pd.Series) -> tuple[int, int]:
    """Pairs of copies, and runs or groups, that are in two splits."""
    one, other = pairs["image_id"].map(split), pairs["other_id"].map(split)
    both = one.notna() & other.notna()
    groups = images["image_id"].map(split).groupby(images["run"]).nunique()
    return int((one[both] != other[both]).sum()), int((groups > 1).sum())


def unevenness(images: pd.DataFrame, split: pd.Series) -> tuple[float, float]:
    """Mean and worst of |share of a class in a split - share of all images in it|, over classes and splits."""
    part = images["image_id"].map(split)
    shares = pd.crosstab(images["label"], part, normalize="index")
    off = (shares - part.value_counts(normalize=True)).abs().to_numpy()
    return float(off.mean()), float(off.max())


def accuracies(
    pixels: npt.NDArray[np.uint8], label: Ints, part: npt.NDArray[Any], seed: int, epochs: int
) -> list[float]:
    """Test accuracy of the nearest neighbour and of a small network."""
    from sklearn.neighbors import KNeighborsClassifier

    from imageclinic.training.fit import fit_model
    from imageclinic.training.fit.settings import Settings
    from imageclinic.training.models import capacity_ladder

    inside = {name: part == name for name in tables.SPLITS}
    grey = pixels.astype(np.float32).mean(axis=-1).reshape(len(pixels), -1)
    grey = (grey - grey.mean(axis=1, keepdims=True)) / (grey.std(axis=1, keepdims=True) + 1)
    nearest = KNeighborsClassifier(1).fit(grey[inside["train"]], label[inside["train"]])
    found = [float(nearest.score(grey[inside["test"]], label[inside["test"]]))]
    if epochs:
        network = capacity_ladder.build("small_cnn", pixels.shape[1:], int(label.max()) + 1, augment="light", seed=seed)
        train, validation = (
            (pixels[inside[name]].astype(np.float32), label[inside[name]]) for name in ("train", "val")
        )
        fit_model.fit(network, train, validation, Settings(epochs=epochs, seed=seed))
        guess = network.predict(pixels[inside["test"]].astype(np.float32), verbose=0).argmax(axis=1)
        found.append(float((guess == label[inside["test"]]).mean()))
    return found


def measure(data: Path, column: str, *, runs: bool, seeds: int, epochs: int, size: int) -> pd.DataFrame:
    """One row a way and seed."""
    from imageclinic import training

    training.load_tensorflow()
    from imageclinic.training.data.image_pipelines import load_images

    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        images, pairs, root = audited(data, column, runs, Path(scratch))
    pixels = load_images([root / tables.to_path(i) for i in images["image_id"]], (size, size))
    label = pd.factorize(images["label"], sort=True)[0].astype(np.int64)
    for seed in range(seeds):
        for way in ("random", "ours"):
            start = time.perf_counter()
            split = splits_of(images, way, seed)
            seconds = time.perf_counter() - start
            part = images["image_id"].map(split).to_numpy(object)
            scores = accuracies(pixels, label, part, seed, epochs)
            rows.append(
                {
                    "way": way,
                    "seed": seed,
                    "images": len(images),
                    "pairs": len(pairs),
                    "groups": images["run"].nunique(),
                    "off": unevenness(images, split),
                    "divided": divided(images, pairs, split),
                    "seconds": seconds,
                    "accuracy": scores,
                }
            )
            print(f"seed {seed}, {way}: {', '.join(f'{a:.3f}' for a in scores)}", flush=True)
    return pd.DataFrame(rows)


def report(found: pd.DataFrame) -> str:
    """The tables; shares and accuracies in points."""
    ways = {way: rows.reset_index(drop=True) for way, rows in found.groupby("way")}
    columns = ("random", "ours")

    def row(name: str, cell: Any) -> tuple[str, ...]:
        return (name, *(cell(ways[way]) for way in columns))

    lines = [
        row("class shares off by, mean", lambda r: f"{100 * np.mean([a for a, _ in r['off']]):.2f}"),
        row("class shares off by, worst", lambda r: f"{100 * max(b for _, b in r['off']):.2f}"),
        row("pairs of copies in two splits", lambda r: _span([a for a, _ in r["divided"]])),
        row("groups in two splits", lambda r: _span([b for _, b in r["divided"]])),
        row("seconds", lambda r: f"{r['seconds'].median():.2f}"),
    ]
    gains = []
    learners = int(found["accuracy"].map(len).iloc[0])
    for at, name in enumerate(LEARNERS[:learners]):
        values = {way: np.array([100 * a[at] for a in ways[way]["accuracy"]]) for way in columns}
        lines.append(row(f"accuracy, {name}", lambda r, at=at: f"{100 * np.mean([a[at] for a in r['accuracy']]):.1f}"))
        gap = values["random"] - values["ours"]
        gains.append(
            f"The random split pretends {gap.mean():+.1f} points ({gap.min():+.1f} to {gap.max():+.1f}): {name}."
        )
    images, pairs, groups = (int(found[name].iloc[0]) for name in ("images", "pairs", "groups"))
    head = f"{images:,} images, {pairs} pairs of copies, {groups} groups, {found['seed'].nunique()} seeds"
    return "\n".join([head, table(("", *columns), lines), *gains])


def _span(values: list[int]) -> str:
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--label-column", default="label")
    parser.add_argument("--runs", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--size", type=int, default=32)
    given = parser.parse_args()
    found = measure(
        given.data, given.label_column, runs=given.runs, seeds=given.seeds, epochs=given.epochs, size=given.size
    )
    print(report(found))


if __name__ == "__main__":
    main()
