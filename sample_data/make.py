"""Make the sample dataset: scikit-learn's handwritten digits as pictures, with planted and documented faults.

    python -m imageclinic.sample_data.make OUT

writes ``OUT/digits/{train,test}/<digit>/digit_NNNN.{jpg,png}`` and ``OUT/planted.csv``. See README.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_digits, load_sample_image

from imageclinic.sample_data import draw, encode
from imageclinic.sample_data.draw import Random
from imageclinic.sample_data.planted_faults import CLASSES, STARVED, File, Plan

COLUMNS = ("image_id", "check", "kind", "source_id", "true_label", "label")
STARVED_TRAIN, STARVED_TEST = 25, 6
TEST_SHARE, PNG_SHARE = 0.2, 0.15
#: Digits that people confuse: (true, written into).
LOOK_ALIKES = (("1", "7"), ("7", "1"), ("3", "8"), ("8", "3"), ("4", "9"), ("9", "4"), ("5", "3"), ("3", "5"))
#: Squares of photographs: left, top, side in pixels.
PHOTOS = (
    ("china.jpg", ((90, 20, 240), (60, 220, 200), (430, 140, 200))),
    ("flower.jpg", ((150, 70, 300), (240, 150, 140), (300, 20, 220))),
)


def make(out: Path, seed: int = 0) -> pd.DataFrame:
    """Write the dataset to `out` and return the table of planted faults (the content of planted.csv).

    Raises:
        FileExistsError: when `out` already holds images; nothing is overwritten.
    """
    images = out / "digits"
    if images.exists():
        raise FileExistsError(f"{images} exists: delete it first, or give another folder")
    random = Random(seed)
    plan = Plan(random, _originals(random))
    _plant_labels(plan)
    _plant_copies(plan)
    _plant_files(plan)
    _plant_pictures(plan)
    _plant_strangers(plan)
    _plant_classes(plan)
    _number(plan)
    for file in plan.files:
        path = images / file.image_id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    table = _table(plan)
    table.to_csv(out / "planted.csv", index=False, lineterminator="\n")
    return table


def _originals(random: Random) -> list[File]:
    """Every digit as a picture, in train or test; most of one class is left out."""
    digits = load_digits()
    files = []
    for label in CLASSES:
        rows = random.permutation(np.flatnonzero(digits.target == int(label)))
        n_test = round(len(rows) * TEST_SHARE)
        if label == STARVED:
            rows, n_test = rows[: STARVED_TRAIN + STARVED_TEST], STARVED_TEST
        for i, row in enumerate(rows):
            picture = draw.digit(digits.images[row], draw.style(random))
            is_png = random.uniform() < PNG_SHARE
            data, suffix = (encode.png(picture), ".png") if is_png else (encode.jpeg(picture), ".jpg")
            files.append(File(data, suffix, "test" if i < n_test else "train", label, label, int(row)))
    return files


def _plant_labels(plan: Plan) -> None:
    """Files in the wrong class folder: half of them between look-alikes."""
    for split, pairs in (("train", 26), ("test", 4)):
        for i in range(pairs):
            true, wrong = LOOK_ALIKES[i % len(LOOK_ALIKES)]
            file = plan.take(split=split, label=true)
            file.label = wrong
            plan.plant(file, "mislabeled", "look_alike")
            file = plan.take(split=split)
            file.label = plan.wrong_label(file)
            plan.plant(file, "mislabeled", "random_label")


def _plant_copies(plan: Plan) -> None:
    """Copies of every kind: with the same label, under two labels, and across the split."""
    for _ in range(10):
        source = plan.take()
        plan.plant_pair(source, plan.add(replace(source)), "same_bytes", "exact_duplicate")
    for suffix, rewrite in ((".jpg", encode.with_comment), (".png", encode.with_text)):
        for _ in range(4):
            source = plan.take(suffix=suffix)
            copy = plan.add(replace(source, data=rewrite(source.data)))
            plan.plant_pair(source, copy, "same_pixels", "exact_duplicate")
    for kind, change in encode.NEAR.items():
        for _ in range(7):
            source = plan.take()
            copy = plan.add(replace(source, data=change(source.picture()), suffix=".jpg"))
            plan.plant_pair(source, copy, kind, "near_duplicate")
    for kind, check in (("same_bytes", "exact_duplicate"), ("jpeg_q60", "near_duplicate")):
        for _ in range(6):
            source = plan.take(suffix=".jpg")
            copy = plan.add(replace(source, data=_copied(source, kind), label=plan.wrong_label(source)))
            plan.plant_pair(source, copy, f"conflict_{kind}", check, "conflicting_label")
            plan.plant(copy, "mislabeled", f"conflict_{kind}", source)
            source = plan.take(suffix=".jpg")
            copy = plan.add(replace(source, data=_copied(source, kind), split="test"))
            plan.plant_pair(source, copy, f"across_{kind}", check, "split_leakage")


def _copied(source: File, kind: str) -> bytes:
    return source.data if kind == "same_bytes" else encode.NEAR[kind](source.picture())


def _plant_files(plan: Plan) -> None:
    """Damaged files, files that are no images, and names that lie about the format."""
    damages: tuple[tuple[str, int, str | None, Callable[[bytes], bytes]], ...] = (
        ("truncated_half", 4, ".jpg", lambda data: data[: len(data) // 2]),
        ("truncated_half", 4, ".png", lambda data: data[: len(data) // 2]),
        ("truncated_tail", 4, ".jpg", lambda data: data[:-12]),
        ("zeroed_block", 6, ".jpg", encode.zeroed),
        ("empty", 3, None, lambda data: b""),
        ("text", 3, None, lambda data: encode.TEXT),
        ("html", 3, None, lambda data: encode.HTML),
    )
    for kind, count, suffix, damage in damages:
        for _ in range(count):
            file = plan.take(suffix=suffix)
            file.data = damage(file.data)
            plan.plant(file, "corrupted", kind)
    formats = (
        ("png_as_jpg", ".jpg", encode.png),
        ("jpeg_as_png", ".png", encode.jpeg),
        ("webp_as_png", ".png", encode.webp),
        ("tiff_as_png", ".png", encode.tiff),
    )
    for kind, suffix, encoder in formats:
        for _ in range(3):
            file = plan.take()
            file.data, file.suffix = encoder(file.picture()), suffix
            plan.plant(file, "wrong_extension", kind)


def _plant_pictures(plan: Plan) -> None:
    """Pictures of digits that are hard or odd to look at."""
    random = plan.random
    changes: tuple[tuple[str, str, int, Callable[[Image.Image], Image.Image]], ...] = (
        ("dark", "dark", 10, lambda p: draw.underexposed(p, random)),
        ("bright", "bright", 10, lambda p: draw.overexposed(p, random)),
        ("blurry", "blurred", 10, lambda p: draw.blurred(p, random.uniform(4, 6))),
        ("grayscale", "gray_one_channel", 6, lambda p: p.convert("L")),
        ("grayscale", "gray_three_channels", 6, lambda p: p.convert("L").convert("RGB")),
    )
    for check, kind, count, change in changes:
        for _ in range(count):
            file = plan.take()
            file.data, file.suffix = encode.jpeg(change(file.picture()), 97), ".jpg"
            plan.plant(file, check, kind)
    digits = load_digits()
    shapes = (
        ("odd_aspect_ratio", "wide", 5, 111, 37),
        ("odd_aspect_ratio", "tall", 5, 37, 111),
        ("odd_size", "large", 4, 384, 384),
        ("odd_size", "huge", 2, 512, 512),
        ("odd_size", "small", 4, 28, 28),
    )
    for check, kind, count, width, height in shapes:
        for _ in range(count):
            file = plan.take()
            picture = draw.digit(digits.images[file.row], draw.style(random, width, height))
            file.data, file.suffix = encode.jpeg(picture), ".jpg"
            plan.plant(file, check, kind)


def _plant_strangers(plan: Plan) -> None:
    """Pictures that belong to no class, and pictures of nothing."""
    random = plan.random

    def add(picture: Image.Image, check: str, kind: str) -> None:
        label = str(random.choice([c for c in CLASSES if c != STARVED]))
        plan.plant(plan.add(File(encode.jpeg(picture), ".jpg", "train", label, None)), check, kind)

    for _ in range(8):
        add(draw.blank(random, draw.style(random)), "low_information", "blank")
    for name, squares in PHOTOS:
        scene = load_sample_image(name)
        for left, top, side in squares:
            add(draw.photo(scene, left, top, side), "outlier", "photo")
    for _ in range(3):
        add(draw.static(random), "outlier", "noise")
    for kind, lines in _drawings():
        add(draw.strokes(lines, draw.style(random)), "outlier", kind)


def _drawings() -> Iterator[tuple[str, list[list[tuple[float, float]]]]]:
    """Letters and doodles as polylines in the unit square."""
    yield "letter", [[(0.2, 0.85), (0.5, 0.15), (0.8, 0.85)], [(0.32, 0.6), (0.68, 0.6)]]
    yield "letter", [[(0.2, 0.15), (0.8, 0.85)], [(0.8, 0.15), (0.2, 0.85)]]
    yield "letter", [[(0.15, 0.85), (0.15, 0.15), (0.5, 0.6), (0.85, 0.15), (0.85, 0.85)]]
    house = [(0.15, 0.9), (0.15, 0.45), (0.5, 0.1), (0.85, 0.45), (0.85, 0.9), (0.15, 0.9), (0.85, 0.45)]
    yield "drawing", [house, [(0.15, 0.45), (0.85, 0.45), (0.15, 0.45), (0.85, 0.9)]]
    star = [(0.5 + 0.42 * np.sin(a), 0.52 - 0.42 * np.cos(a)) for a in np.arange(6) * 4 * np.pi / 5]
    yield "drawing", [star]
    yield "drawing", [[(x, 0.1), (x, 0.9)] for x in (0.2, 0.4, 0.6, 0.8)] + [[(0.1, 0.75), (0.9, 0.25)]]


def _plant_classes(plan: Plan) -> None:
    """What is wrong with whole classes. By the check's definition (under 1,000 images) all are small."""
    plan.plant(STARVED, "class_imbalance", "starved_class")
    for label in CLASSES:
        plan.plant(label, "too_few_images", "starved_class" if label == STARVED else "small_class")


def _number(plan: Plan) -> None:
    """Name all files, in random order, so that no name gives away what was planted."""
    for number, i in enumerate(plan.random.permutation(len(plan.files)), start=1):
        file = plan.files[i]
        file.image_id = f"{file.split}/{file.label}/digit_{number:04d}{file.suffix}"


def _table(plan: Plan) -> pd.DataFrame:
    rows: list[tuple[str | None, ...]] = []
    for what, check, kind, source in plan.planted:
        if isinstance(what, str):
            rows.append((None, check, kind, None, None, what))
            continue
        true_label = what.true_label if check in ("mislabeled", "conflicting_label") else None
        source_id = source.image_id if source else None
        rows.append((what.image_id, check, kind, source_id, true_label, what.label))
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype="str")
    return table.sort_values(["check", "kind", "image_id", "label"], ignore_index=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the sample dataset.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    make(arguments.out, arguments.seed)
