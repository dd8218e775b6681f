"""Does the diagnosis of an audited set of photographs name first what was planted in it?

    python -m benchmarks.diagnose_photos RESULTS --data LABELS.csv [--classes 12] [--images 300] [--seeds 1]
        [--budget 60] [--cases nothing,leak,…]

LABELS.csv: a manifest of photographs with true labels (`label_true`). Of the last `--classes` classes so many images
are drawn, 2 : 1 : 2 into train, val and test; something is planted in the files, they are audited, and the run is
diagnosed. RESULTS is a folder: a file a case, so that what is done is not done again. It prints, for each case, what
was named, and how often the planted cause came first, with 95 % Wilson intervals; a control is right where the audit
adds no cause.

What counts as right is written down in `CASES` beside what is planted, before any run. `width` and `border` are
shortcuts; `two` has a leak and wrong labels, and both must be the first two.

Two counts are printed. *First as a cause*: what is only named as possible ("?") does not count. *First, if only as
possible*: it counts where no cause that was not planted is named before it. Where two classes are mixed evenly, nothing
distinguishes 30 % wrong labels from images that can't be told apart, so "possible" is all that can rightly be said.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageEnhance, ImageOps

import imageclinic
from benchmarks.show import share, table
from imageclinic.core import tables

CHECKS = [
    "exact_duplicate", "near_duplicate", "conflicting_label", "split_leakage", "mislabeled", "shortcut", "split_shift",
    "split_properties", "class_imbalance",
]  # fmt: skip
#: Longest side of the planted photographs.
_SIDE = 256
NOTHING = "nothing"

Picture = Image.Image
Plant = Callable[[pd.DataFrame, dict[str, Picture], np.random.Generator], pd.DataFrame]


@dataclass(frozen=True)
class Case:
    """What is planted, and the causes of which each must be among as many first ones; none: a control."""

    plant: Plant
    causes: tuple[str, ...]


def _nothing(rows: pd.DataFrame, pictures: dict[str, Picture], random: np.random.Generator) -> pd.DataFrame:
    return rows


def _leak(rows: pd.DataFrame, pictures: dict[str, Picture], random: np.random.Generator) -> pd.DataFrame:
    """Half of the test images are in train as well, a little smaller."""
    twins = rows[rows["split"] == "test"].iloc[::2]
    for path in twins["path"]:
        picture = pictures[path]
        pictures[f"twin-{path}"] = picture.resize((int(0.9 * picture.width), int(0.9 * picture.height)))
    return pd.concat([rows, twins.assign(path="twin-" + twins["path"], split="train")], ignore_index=True)


def _near(rows: pd.DataFrame, pictures: dict[str, Picture], random: np.random.Generator) -> pd.DataFrame:
    """Two thirds of the val images are taken from train, cropped a little, lighter and compressed more."""
    train = np.flatnonzero(rows["split"] == "train")
    replaced = np.flatnonzero(rows["split"] == "val")
    replaced = replaced[: 2 * len(replaced) // 3]
    sources = random.choice(train, len(replaced), replace=False)
    labels = rows["label"].to_numpy(dtype=object, copy=True)
    labels[replaced] = labels[sources]
    for path, source in zip(rows["path"].iloc[replaced], rows["path"].iloc[sources], strict=True):
        picture = pictures[source]
        inner = picture.crop((3, 3, picture.width - 3, picture.height - 3))
        pictures[path] = ImageEnhance.Brightness(inner).enhance(1.1)
    return rows.assign(label=labels)


def _few(rows: pd.DataFrame, pictures: dict[str, Picture], random: np.random.Generator) -> pd.DataFrame:
    """Of the training images, twelve of a class are left."""
    place = rows[rows["split"] == "train"].groupby("label").cumcount()
    return rows.drop(index=place.index[place >= 12]).reset_index(drop=True)


def _width(rows: pd.DataFrame, pictures: dict[str, Picture], random: np.random.Generator) -> pd.DataFrame:
    """Images of half of the classes are 200 pixels wide."""
    for path in _of_half(rows):
        pictures[path] = pictures[path].resize((200, pictures[path].height))
    return rows


def _border(rows: pd.DataFrame, pictures: dict[str, Picture], random: np.random.Generator) -> pd.DataFrame:
    """Images of half of the classes have a black frame, as of a scanner."""
    for path in _of_half(rows):
        inner = pictures[path].resize((pictures[path].width - 32, pictures[path].height - 32))
        pictures[path] = ImageOps.expand(inner, 16, "black")
    return rows


def _shift(rows: pd.DataFrame, pictures: dict[str, Picture], random: np.random.Generator) -> pd.DataFrame:
    """Test images come from a poor camera: few pixels, grey, dark."""
    for path in rows.loc[rows["split"] == "test", "path"]:
        picture = pictures[path]
        small = picture.resize((max(1, picture.width // 8), max(1, picture.height // 8)))
        dark = ImageEnhance.Brightness(small.convert("L").convert("RGB")).enhance(0.4)
        pictures[path] = dark.resize(picture.size, Image.Resampling.NEAREST)
    return rows


def _labels(rows: pd.DataFrame, pictures: dict[str, Picture], random: np.random.Generator) -> pd.DataFrame:
    """30 % of all labels are replaced by others."""
    classes = sorted(rows["label"].unique())
    numbers = rows["label"].map({name: i for i, name in enumerate(classes)}).to_numpy()
    hit = random.random(len(rows)) < 0.3
    moved = (numbers + random.integers(1, len(classes), len(rows))) % len(classes)
    return rows.assign(label=np.array(classes, object)[np.where(hit, moved, numbers)])


def _two(rows: pd.DataFrame, pictures: dict[str, Picture], random: np.random.Generator) -> pd.DataFrame:
    return _leak(_labels(rows, pictures, random), pictures, random)


def _of_half(rows: pd.DataFrame) -> pd.Series:
    classes = sorted(rows["label"].unique())
    return rows.loc[rows["label"].isin(classes[: len(classes) // 2]), "path"]


CASES: dict[str, Case] = {
    NOTHING: Case(_nothing, ()),
    "leak": Case(_leak, ("duplicates_and_leakage",)),
    "near": Case(_near, ("duplicates_and_leakage",)),
    "few": Case(_few, ("no_pretrained_weights",)),
    "width": Case(_width, ("shortcut",)),
    "border": Case(_border, ("shortcut",)),
    "shift": Case(_shift, ("split_shift",)),
    "labels": Case(_labels, ("label_noise",)),
    "two": Case(_two, ("duplicates_and_leakage", "label_noise")),
}


def main(arguments: list[str] | None = None) -> None:
    """See this module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--classes", type=int, default=12)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--cases", default=",".join(CASES))
    given = parser.parse_args(arguments)
    name = given.data.resolve().parent.name
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        for case in given.cases.split(","):
            file = given.results / f"{name}-{case}-{seed}.json"
            if file.is_file():
                continue
            found = run(given.data, CASES[case], given.classes, given.images, seed, given.budget)
            tables.write_json(file, found)
            print(f"{case} {seed}: {_named(found)}, {found['seconds']:.0f} s", flush=True)
    print(report(given.results, name))


def run(file: Path, case: Case, classes: int, images: int, seed: int, budget: float) -> dict[str, Any]:
    """Draw, plant, audit, diagnose: the diagnosis, with its `seconds`, without the audit's."""
    rows, pictures = drawn(file, classes, images, seed)
    rows = case.plant(rows, pictures, np.random.default_rng([seed, 1]))
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "data"
        root.mkdir()
        for path in rows["path"]:
            pictures[path].save(root / path, quality=90)
        audited = imageclinic.audit(rows, Path(scratch) / "run", root=root, checks=CHECKS, seed=seed).run
        start = time.monotonic()
        found = imageclinic.diagnose(audited.path, budget=budget / 60, seed=seed)
        return {**found, "seconds": time.monotonic() - start}


def drawn(file: Path, classes: int, images: int, seed: int) -> tuple[pd.DataFrame, dict[str, Picture]]:
    """path, label, split of as many images of each class; the pictures by path."""
    rng = np.random.default_rng([seed, 0])
    known = pd.read_csv(file, dtype=str)
    names = sorted(known["label_true"].unique())[-classes:]
    known = known[known["label_true"].isin(names)]
    known = known.iloc[rng.permutation(len(known))]
    known = known[known.groupby("label_true").cumcount() < images // len(names)]
    place = known.groupby("label_true").cumcount() % 5
    split = np.select([place < 2, place < 3], ["train", "val"], "test")
    rows = pd.DataFrame(
        {"path": [f"{i:05}.jpg" for i in range(len(known))], "label": known["label_true"].to_numpy(), "split": split}
    )
    pictures = {}
    for path, source in zip(rows["path"], known["path"], strict=True):
        with Image.open(file.parent / source) as image:
            picture = ImageOps.exif_transpose(image).convert("RGB")
        picture.thumbnail((_SIDE, _SIDE))
        pictures[path] = picture
    return rows, pictures


def right(case: Case, found: dict[str, Any], *, if_possible: bool = False) -> bool:
    """Whether the planted causes are the first ones; of a control, whether the audit adds none.

    Args:
        case: what was planted.
        found: a diagnosis.
        if_possible: whether what is named as possible, behind all causes, counts as well.
    """
    if not case.causes:
        return not any(cause["severity"] for cause in found["causes"])
    named = [*found["causes"], *found["possible"]] if if_possible else found["causes"]
    return set(case.causes) <= {cause["cause"] for cause in named[: len(case.causes)]}


def report(folder: Path, name: str) -> str:
    """A row for each case, and the shares."""
    rows: list[tuple[object, ...]] = []
    hits: list[tuple[bool, bool]] = []
    controls: list[bool] = []
    for case, planted in CASES.items():
        files = sorted(folder.glob(f"{name}-{case}-*.json"))
        results = [json.loads(file.read_text("utf-8")) for file in files]
        if not results:
            continue
        good = [(right(planted, found), right(planted, found, if_possible=True)) for found in results]
        if planted.causes:
            hits += good
        else:
            controls += [one for one, _ in good]
        counts = np.sum(good, axis=0)
        rows.append((case, len(good), *counts, "; ".join(_named(found) for found in results)))
    text = table(("planted", "runs", "first as a cause", "first, if only as possible", "named, in order"), rows)
    if hits:
        for at, what in enumerate(("first as causes", "first, if only as possible")):
            text += f"\nplanted {what}: {share(sum(each[at] for each in hits), len(hits))}"
    if controls:
        text += f"\ncontrols without a cause of the audit's: {share(sum(controls), len(controls))}"
    return text


def _named(found: dict[str, Any]) -> str:
    named = [cause["cause"] for cause in found["causes"]]
    named += [f"{cause['cause']}?" for cause in found["possible"]]
    return ", ".join(named) or "nothing"


if __name__ == "__main__":
    main(sys.argv[1:])
