from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from audit import copies, neighbors, scan, source, tables
from audit.run import create
from tests.conftest import picture


def find(folder: Path, tmp_path: Path) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    run, listing = create(tmp_path / "run"), source.load(folder)
    dataset, features = scan.scan(run, listing.images, listing.root, workers=1)
    return copies.find(dataset, features, run.read_thumbnails(), lambda i: folder / i)


def reencoded(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def cropped(image: Image.Image) -> Image.Image:
    x, y = round(image.width * 0.025), round(image.height * 0.025)
    return image.crop((x, y, image.width - x, image.height - y))


WAYS: dict[str, tuple[Callable[[Image.Image], Image.Image], str]] = {
    "jpeg": (lambda i: reencoded(i, 40), "identity"),
    "smaller": (lambda i: i.resize((i.width // 2, i.height // 2), Image.Resampling.LANCZOS), "identity"),
    "larger": (lambda i: i.resize((i.width * 2, i.height * 2), Image.Resampling.BICUBIC), "identity"),
    "brighter": (lambda i: ImageEnhance.Brightness(i).enhance(1.15), "identity"),
    "cropped": (cropped, "identity"),
    "mirrored": (lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "flip"),
    "turned": (lambda i: i.transpose(Image.Transpose.ROTATE_90), "rot270"),
}


@pytest.mark.parametrize("way", WAYS)
def test_altered_copies_are_found(folder: Path, tmp_path, way: str) -> None:
    alter, transform = WAYS[way]
    alter(picture(3, (120, 100))).save(folder / "dog" / "copy.png")
    picture(3, (120, 100)).save(folder / "cat" / "3.png")
    pairs, clusters, _ = find(folder, tmp_path)
    assert pairs[["image_id", "other_id", "kind", "transform"]].values.tolist() == [
        ["cat/3.png", "dog/copy.png", "near", transform]
    ]
    assert clusters["cluster"].tolist() == ["cat/3.png"] * 2


def test_equal_bytes_and_equal_pixels_are_told_apart(folder: Path, tmp_path) -> None:
    (folder / "dog" / "bytes.png").write_bytes((folder / "cat" / "0.png").read_bytes())
    Image.open(folder / "cat" / "1.png").save(folder / "dog" / "pixels.png", compress_level=1)
    pairs, _, _ = find(folder, tmp_path)
    assert pairs[["image_id", "other_id", "kind"]].values.tolist() == [
        ["cat/0.png", "dog/bytes.png", "bytes"],
        ["cat/1.png", "dog/pixels.png", "pixels"],
    ]


def test_unlike_pictures_are_no_copies(folder: Path, tmp_path) -> None:
    pairs, clusters, notes = find(folder, tmp_path)
    assert pairs.empty
    assert clusters.empty
    assert notes == []


def test_blank_pictures_are_no_near_copies(folder: Path, tmp_path) -> None:
    for n in range(5):
        Image.new("RGB", (40, 40), (200 + n, 200, 200)).save(folder / "cat" / f"blank{n}.png")
    pairs, _, notes = find(folder, tmp_path)
    assert pairs.empty
    assert notes == ["5 nearly blank images were compared for equal pixels only, not for near copies"]


def test_many_equal_files_do_not_explode(folder: Path, tmp_path) -> None:
    data = (folder / "cat" / "0.png").read_bytes()
    for n in range(100):
        (folder / "dog" / f"same{n:03}.png").write_bytes(data)
    pairs, clusters, _ = find(folder, tmp_path)
    assert len(pairs) == 100
    assert clusters["cluster"].nunique() == 1
    assert len(clusters) == 101


hashes = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=30)


@settings(max_examples=30)
@given(hashes, st.integers(0, 20), st.integers(0, 2**32))
def test_hamming_pairs_are_exact(values: list[int], radius: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    flips = [v ^ (1 << int(b)) for v, b in zip(values, rng.integers(0, 64, len(values)), strict=True)]
    table = np.array([values + flips, (values + flips)[::-1]], dtype=np.uint64).T
    i, j, distance, which = neighbors.hamming_pairs(table, radius)
    expected = []
    for a in range(len(table)):
        for b in range(a + 1, len(table)):
            by = [(int(table[a, 0]) ^ int(table[b, o])).bit_count() for o in (0, 1)]
            if min(by) <= radius:
                expected.append((a, b, min(by), by.index(min(by))))
    assert list(zip(i.tolist(), j.tolist(), distance.tolist(), which.tolist(), strict=True)) == expected


def pairs_of(*edges: tuple[str, str]) -> pd.DataFrame:
    n = len(edges)
    return tables.frame(
        tables.NEIGHBORS,
        image_id=[min(e) for e in edges],
        other_id=[max(e) for e in edges],
        kind=["near"] * n,
        distance=[2] * n,
        transform=["identity"] * n,
        similarity=[0.95 - 0.01 * at for at in range(n)],
    )


def test_clusters_are_cliques_and_split_groups_components() -> None:
    pairs = pairs_of(("a", "b"), ("b", "c"), ("d", "e"))
    groups = pd.Series({"a": None, "b": None, "c": None, "d": "p", "e": None, "f": "p"}, dtype="str")
    found = neighbors.cluster(pairs, groups, groups.index).set_index("image_id")
    assert found["cluster"].dropna().to_dict() == {"a": "a", "b": "a", "d": "d", "e": "d"}
    assert found["split_group"].to_dict() == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "d", "f": "d"}


def test_a_file_that_vanishes_after_the_scan_is_noted(folder: Path, tmp_path) -> None:
    picture(3, (120, 100)).save(folder / "cat" / "3.png")
    reencoded(picture(3, (120, 100)), 40).save(folder / "dog" / "copy.png")
    Image.open(folder / "cat" / "1.png").save(folder / "dog" / "pixels.png", compress_level=1)
    run, listing = create(tmp_path / "run"), source.load(folder)
    dataset, features = scan.scan(run, listing.images, listing.root, workers=1)
    (folder / "dog" / "copy.png").unlink()
    (folder / "dog" / "pixels.png").write_bytes(b"")
    pairs, _, notes = copies.find(dataset, features, run.read_thumbnails(), lambda i: folder / i)
    assert pairs.empty
    assert len(notes) == 3, "the one of equal pixels was looked at as a near copy, too"
    assert all("can't be compared" in note for note in notes)
