"""Does the diagnosis name what was done to a training? One cause at a time is planted, on real images.

    python -m benchmarks.diagnose RESULTS [--data digits|FOLDER] [--classes 10] [--seeds 5] [--budget 60] …

`digits` are scikit-learn's (8×8 pixels, 1,797 images); a FOLDER has a folder of images per class, such as the
sign-digits, of which the first `--classes` are taken: with all ten, 500 images are too few, as the diagnosis rightly
says, and no control would be healthy. Each case draws its own images (seed), plants its cause, and runs the ladder of
`training.diagnose` as `imageclinic diagnose` does. RESULTS is a folder: a file a case, so that what is done is not done
again; --minutes ends early, and the next call goes on. It prints how often the planted cause came first, how often a
healthy control was called healthy (no gain's interval above one point), with 95 % Wilson intervals, and a table of
planted × named first.

What counts as right is written down in `CASES` beside what is planted, before any run.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits

from benchmarks.show import share, table
from imageclinic.audit.labels import noise_model
from imageclinic.core import tables
from imageclinic.training.diagnose import ladder
from imageclinic.training.diagnose.setup import Data, Images, Recipe

HEALTHY = "healthy"
_TRAIN, _VAL, _SIDE = 500, 300, 16
GOOD = Recipe(learning_rate=5e-3, epochs=12, batch_size=32, augment="none")
DECAY, WIDE = 8.0, 400  # a weight decay that fits short runs; units of a wide layer

Plant = Callable[[Data, Recipe, np.random.Generator], tuple[Data, Recipe]]


@dataclass(frozen=True)
class Case:
    """What is planted, and which causes name it."""

    plant: Plant
    causes: tuple[str, ...]


def _steps(recipe: Recipe, before: int, after: int) -> Recipe:
    """As many steps with fewer images."""
    return recipe.change(epochs=round(recipe.epochs * before / after))


def _few(data: Data, recipe: Recipe, random: np.random.Generator) -> tuple[Data, Recipe]:
    """With augmentation and regularisation as so few images want them: else these were lacking as well."""
    data, recipe = _part(data, recipe, random, 10)
    return data, recipe.change(augment="medium", dropout=0.5, weight_decay=DECAY)


def _wrong_labels(data: Data, recipe: Recipe, random: np.random.Generator) -> tuple[Data, Recipe]:
    def mixed(part: Images) -> Images:
        hit = random.random(len(part)) < 0.3
        other = (part.y + random.integers(1, len(data.classes), len(part))) % len(data.classes)
        return replace(part, y=np.where(hit, other, part.y))

    return replace(data, train=mixed(data.train), val=mixed(data.val)), recipe


def _starved(data: Data, recipe: Recipe, random: np.random.Generator) -> tuple[Data, Recipe]:
    number = int(random.integers(len(data.classes)))
    gone = np.flatnonzero(data.train.y == number)[3:]
    return replace(data, train=data.train.at(np.setdiff1d(np.arange(len(data.train)), gone))), recipe


def _unregularised(data: Data, recipe: Recipe, random: np.random.Generator) -> tuple[Data, Recipe]:
    """Some 80 images, augmented as so few want it."""
    data, recipe = _part(data, recipe, random, 6)
    return data, recipe.change(augment="light", dropout=0.0, weight_decay=0.0)


def _too_large(data: Data, recipe: Recipe, random: np.random.Generator) -> tuple[Data, Recipe]:
    """Two wide dense layers: eight (digits) or twenty (hands) times as many parameters as small_cnn."""
    import keras

    inputs = keras.Input(data.train.x.shape[1:])
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs))
    for _ in range(2):
        x = keras.layers.Dense(WIDE, activation="relu")(x)
    own = keras.Model(inputs, keras.layers.Dense(len(data.classes), activation="softmax")(x))
    return data, recipe.change(own=own, learning_rate=1e-3)


def _part(data: Data, recipe: Recipe, random: np.random.Generator, by: int) -> tuple[Data, Recipe]:
    """Of each class as many."""
    rows = [random.permutation(np.flatnonzero(data.train.y == k)) for k in range(len(data.classes))]
    kept = np.concatenate([of_class[: len(data.train) // by // len(rows)] for of_class in rows])
    return replace(data, train=data.train.at(kept)), _steps(recipe, by, 1)


def _unaugmented(data: Data, recipe: Recipe, random: np.random.Generator) -> tuple[Data, Recipe]:
    """Validation images are turned and shifted, as in use; training images never are."""

    def moved(image: np.ndarray) -> np.ndarray:
        turned = ndimage.rotate(image, random.uniform(-15, 15), reshape=False, order=1, mode="nearest")
        reach = 0.15 * image.shape[0]
        return np.asarray(ndimage.shift(turned, (*random.uniform(-reach, reach, 2), 0), order=1, mode="nearest"))

    x = np.stack([moved(image) for image in data.val.x])
    return replace(data, val=replace(data.val, x=x)), recipe.change(augment="none")


def _twice(data: Data, recipe: Recipe, random: np.random.Generator) -> tuple[Data, Recipe]:
    return data, recipe.change(scale=1 / 255)


def _order(data: Data, recipe: Recipe, random: np.random.Generator) -> tuple[Data, Recipe]:
    moved = random.permutation(len(data.classes))
    return replace(data, val=replace(data.val, y=moved[data.val.y])), recipe


def _leaked(data: Data, recipe: Recipe, random: np.random.Generator) -> tuple[Data, Recipe]:
    """Half of the validation images are copies of training images, a little brighter or darker."""
    n = len(data.val) // 2
    rows = random.permutation(len(data.train))[:n]
    x = np.clip(data.train.x[rows] * random.uniform(0.9, 1.1, (n, 1, 1, 1)), 0, 255).astype(data.val.x.dtype)
    keep = data.val.at(np.arange(n, len(data.val)))
    group = 10**6 + np.arange(n)
    val = Images(
        np.concatenate([x, keep.x]), np.concatenate([data.train.y[rows], keep.y]), np.concatenate([group, keep.group])
    )
    return replace(data, val=val), recipe


def _corrupted(data: Data, recipe: Recipe, random: np.random.Generator) -> tuple[Data, Recipe]:
    def broken(part: Images) -> Images:
        x = part.x.copy()
        hit = np.flatnonzero(random.random(len(part)) < 0.3)
        x[hit] = random.integers(0, 256, x[hit].shape)
        x[hit[::2]] = 128
        return replace(part, x=x)

    return replace(data, train=broken(data.train), val=broken(data.val)), recipe


def _frozen(data: Data, recipe: Recipe, random: np.random.Generator) -> tuple[Data, Recipe]:
    from imageclinic.training.models import capacity_ladder as rungs

    own = rungs.build(
        "small_cnn", data.train.x.shape[1:], len(data.classes), augment="light", seed=int(random.integers(1000))
    )
    for layer in own.layers[:-1]:
        layer.trainable = False
    return data, recipe.change(own=own, augment="none")


CASES: dict[str, Case] = {
    HEALTHY: Case(lambda data, recipe, random: (data, recipe), ()),
    "rate_too_high": Case(lambda d, r, _: (d, r.change(learning_rate=1.0)), ("learning_rate",)),
    "rate_too_low": Case(lambda d, r, _: (d, r.change(learning_rate=2e-5)), ("learning_rate",)),
    "labels_wrong": Case(_wrong_labels, ("label_noise",)),
    "few_images": Case(_few, ("too_little_data",)),
    "class_starved": Case(_starved, ("class_imbalance",)),
    "too_small": Case(lambda d, r, _: (d, r.change(model="linear", learning_rate=0.02)), ("underfitting",)),
    "too_large": Case(_too_large, ("overfitting",)),
    "no_regularisation": Case(_unregularised, ("regularisation",)),
    "no_augmentation": Case(_unaugmented, ("augmentation",)),
    "scaled_twice": Case(_twice, ("input_pipeline",)),
    "label_order": Case(_order, ("label_order",)),
    "leak": Case(_leaked, ("duplicates_and_leakage",)),
    "frozen": Case(_frozen, ("frozen_layers",)),
    "corrupted": Case(_corrupted, ("corrupted_input",)),
}


#: What could not be planted so that it costs most. Of the networks tried on the digits none was too large: dense layers
#: of up to 200,000 parameters are right on 95 to 97 %, small_cnn on 97 %. On hands regularisation brought a point where
#: they were augmented, and augmentation more where they were not.
NOT_PLANTED = {"digits": ("too_large",), "sign-digits": ("no_regularisation",)}


def main(arguments: list[str] | None = None) -> None:
    """See this module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--minutes", type=float, default=60.0)
    given = parser.parse_args(arguments)
    end = time.monotonic() + 60 * given.minutes
    whole: Images | None = None
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        for name in given.cases.split(","):
            file = given.results / f"{Path(given.data).name}-{name}-{seed}.json"
            planted = name not in NOT_PLANTED.get(Path(given.data).name, ())
            if not planted or file.is_file() or time.monotonic() > end:
                continue
            whole = _images(given.data, given.classes) if whole is None else whole
            found = _run(whole, CASES[name], seed, given.budget)
            tables.write_json(file, found)
            first = found["causes"][0]["cause"] if found["causes"] else "none"
            print(f"{name} {seed}: {first}, healthy: {found['healthy']}, {found['seconds']:.0f} s", flush=True)
    _report(given.results, Path(given.data).name)


def _run(whole: Images, case: Case, seed: int, budget: float) -> dict[str, Any]:
    order = np.random.default_rng([seed, 0]).permutation(len(whole))
    train, val = whole.at(order[:_TRAIN]), whole.at(order[_TRAIN : _TRAIN + _VAL])
    classes = tuple(str(k) for k in range(int(whole.y.max()) + 1))
    data, recipe = case.plant(Data(train, val, classes), GOOD, np.random.default_rng([seed, 1]))
    start = time.monotonic()
    found = ladder.climb(data, recipe, budget=budget, noise=lambda y, probs: noise_model.fit(y, probs).wrong)
    return {**found, "seconds": time.monotonic() - start}


def _images(name: str, most: int) -> Images:
    if name == "digits":
        x, y = load_digits(return_X_y=True)
        pixels = (x.reshape(-1, 8, 8, 1) * 255 / 16).astype(np.uint8)
        kept = y < most
        return Images(pixels[kept], y[kept].astype(np.int64), np.arange(kept.sum()))
    from imageclinic.audit.listing import image_listing
    from imageclinic.training.data import image_pipelines

    listing = image_listing.load(Path(name)).images
    names = sorted(listing["label"].unique())[:most]
    listing = listing[listing["label"].isin(names)]
    paths = [Path(name) / tables.to_path(i) for i in listing["image_id"]]
    y = np.array([names.index(label) for label in listing["label"]], np.int64)
    return Images(image_pipelines.load_images(paths, (_SIDE, _SIDE)), y, np.arange(len(y)))


def _report(folder: Path, data: str) -> None:
    named: dict[str, Counter[str]] = {}
    for file in sorted(folder.glob(f"{data}-*.json")):
        planted, found = file.stem.removeprefix(f"{data}-").rpartition("-")[0], json.loads(file.read_text())
        # Nothing worth naming, but experiments that the budget left out: neither right nor wrong.
        calm = HEALTHY if found["healthy"] else "unfinished"
        first = found["causes"][0]["cause"] if found["healthy"] is False else calm
        named.setdefault(planted, Counter())[first] += 1
    hits = {planted: sum(named[planted][c] for c in CASES[planted].causes) for planted in named if planted != HEALTHY}
    done = {planted: sum(counts.values()) for planted, counts in named.items()}
    print(f"\n{data}: planted → named first")
    rows = [
        (
            planted,
            done[planted],
            hits.get(planted, counts[HEALTHY]),
            ", ".join(f"{c} {n}" for c, n in counts.most_common()),
        )
        for planted, counts in sorted(named.items(), key=lambda item: list(CASES).index(item[0]))
    ]
    print(table(("planted", "runs", "right", "named first"), rows))
    total = sum(done[planted] for planted in hits)
    if total:
        print(f"planted cause first: {share(sum(hits.values()), total)}")
    if done.get(HEALTHY):
        print(f"healthy called healthy: {share(named[HEALTHY][HEALTHY], done[HEALTHY])}")


if __name__ == "__main__":
    main(sys.argv[1:])
