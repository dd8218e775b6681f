"""Copies that only show when one picture is laid over the other are found, and look-alikes are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from imageclinic.audit.copies import find_copies
from imageclinic.audit.copies.laid_over import embedding_pairs, keypoint_alignment, tile_pairs
from imageclinic.core import tables
from tests.audit.copies.test_find_copies import scanned

Picture = Image.Image


def photographs() -> list[Picture]:
    """Twelve parts of two photographs."""
    parts = []
    for whole in map(Image.fromarray, load_sample_images().images):
        parts += [whole.crop((x, y, x + 200, y + 200)) for y in (0, 210) for x in (0, 215, 430)]
    return parts


def part(image: Picture, share: float = 0.6) -> Picture:
    """A corner of it."""
    return image.crop((20, 30, 20 + round(share * image.width), 30 + round(share * image.height)))


WAYS: dict[str, Callable[[Picture], Picture]] = {
    "cropped": part,
    "turned": lambda i: i.rotate(12, Image.Resampling.BICUBIC, expand=True, fillcolor="white"),
    "sheared": lambda i: i.transform(i.size, Image.Transform.AFFINE, (1, 0.15, -15, 0, 1, 0), Image.Resampling.BICUBIC),
    "framed": lambda i: ImageOps.expand(i, 40, "black"),
    "shrunk and framed": lambda i: ImageOps.expand(i.resize((130, 130)), 50, "lightgrey"),
}


def aligned(one: Picture, two: Picture) -> keypoint_alignment.Aligned | None:
    return keypoint_alignment.align(keypoint_alignment.shown(one).keypoints, keypoint_alignment.shown(two).keypoints)


def hopeful(one: Picture, two: Picture) -> bool:
    return keypoint_alignment.may_align(keypoint_alignment.shown(one), keypoint_alignment.shown(two))


@pytest.mark.parametrize("way", WAYS)
def test_an_altered_copy_is_laid_over_its_original(way: str) -> None:
    original = photographs()[1]
    laid = aligned(original, WAYS[way](original))
    assert laid is not None and laid.one.size == laid.two.size and laid.moved > 0.03
    difference = np.abs(np.asarray(laid.one, float) - np.asarray(laid.two, float)).mean()
    assert difference < 12 and laid.agreeing >= 15
    assert hopeful(original, WAYS[way](original))


def test_other_pictures_and_flat_ones_are_not() -> None:
    one, two, _, three, four, *_ = photographs()
    assert aligned(one, two) is None
    assert aligned(one, Image.new("RGB", (200, 200), "grey")) is None
    assert not hopeful(three, four)
    assert hopeful(one, Image.new("RGB", (200, 200), "grey")), "nothing can be said of a plain picture by a glance"
    assert aligned(one, one.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) is None
    same = aligned(one, one)
    assert same is not None and same.moved < 0.001


def test_two_parts_that_overlap_by_half_hold_more_than_one_of_them() -> None:
    whole = Image.fromarray(load_sample_images().images[0])
    assert aligned(whole.crop((0, 100, 300, 350)), whole.crop((150, 100, 450, 350))) is None
    assert aligned(whole.crop((0, 100, 300, 350)), whole.crop((30, 110, 330, 360))) is not None


def test_candidates_are_nearer_than_the_look_alikes_around_them() -> None:
    rng = np.random.default_rng(0)
    crowd = np.concatenate([rng.normal(middle, 0.5, (30, 64)) for middle in rng.normal(0, 1, (3, 64))])
    copies = crowd[:8] + rng.normal(0, 0.1, (8, 64))
    vectors = np.concatenate([crowd, copies]).astype(np.float32)
    before = vectors.copy()
    found = {tuple(pair) for pair in embedding_pairs.candidates(vectors).tolist()}
    assert {(n, 90 + n) for n in range(8)} <= found
    assert all(i < j for i, j in found)
    assert len(embedding_pairs.candidates(vectors[:90])) < 30
    assert np.array_equal(vectors, before)
    assert len(embedding_pairs.candidates(vectors[:3])) == 0


def test_copies_are_confirmed_and_look_alikes_are_not(tmp_path: Path) -> None:
    originals = photographs()
    altered = [way(originals[1 + n]) for n, way in enumerate(WAYS.values())]
    marked = part(originals[7], 0.8)
    marked.paste("red", (50, 50, 80, 80))  # another picture there
    branded = originals[3].copy()
    branded.paste("red", (10, 10, 40, 40))
    for n, image in enumerate([*originals, *altered, marked, branded]):
        image.save(tmp_path / f"{n:02}.jpg", quality=90)
    asked = np.array([[1 + n, 12 + n] for n in range(5)] + [[3, 18], [7, 17], [1, 2], [3, 11], [0, 99]])
    found = embedding_pairs.confirm(asked, lambda at: tmp_path / f"{at:02}.jpg")
    pairs = zip(found.i.tolist(), found.j.tolist(), found.moved.tolist(), strict=True)
    assert set(pairs) == {(1 + n, 12 + n, True) for n in range(5)} | {(3, 18, False)}
    assert (found.similarity > 0.5).all() and (found.similarity <= 1).all()
    assert found.gone.tolist() == [99]


def test_a_picture_of_several_pairs_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs of a group are judged one after the other, also across batches, and found in the same order as all at once;
    with no room for what waits, pictures are read again and the same is found."""
    originals = photographs()[:4]
    copies = [part(image, share) for share in (0.9, 0.8) for image in originals]
    for n, image in enumerate([*originals, *copies]):
        image.save(tmp_path / f"{n:02}.jpg", quality=90)
    asked = np.array([pair for n in range(4) for pair in ((n, n + 4), (n, n + 8), (n + 4, n + 8))])[::-1]
    read: list[int] = []

    def path(at: int) -> Path:
        return tmp_path / f"{at:02}.jpg"

    def shown(file: Path) -> keypoint_alignment.Shown | None:
        read.append(int(file.stem))
        return whole(file)

    whole = embedding_pairs._shown
    monkeypatch.setattr(embedding_pairs, "_shown", shown)
    at_once = embedding_pairs.confirm(asked, path)
    assert np.stack([at_once.i, at_once.j], axis=1).tolist() == sorted(asked.tolist())
    for batch, kept, reads in ((2, 256, 12), (2, 0, 20)):
        read.clear()
        monkeypatch.setattr(embedding_pairs, "_BATCH", batch)
        monkeypatch.setattr(embedding_pairs, "_KEPT", kept)
        found = embedding_pairs.confirm(asked, path)
        assert len(read) == reads
        for column in ("i", "j", "moved", "similarity", "difference", "gone"):
            assert np.array_equal(getattr(found, column), getattr(at_once, column))


def test_a_search_with_embeddings_finds_what_hashes_do_not(tmp_path: Path) -> None:
    originals = photographs()
    for n, image in enumerate(originals):
        (tmp_path / "a").mkdir(exist_ok=True)
        image.save(tmp_path / "a" / f"{n:02}.jpg", quality=90)
    part(originals[4]).save(tmp_path / "a" / "part.jpg", quality=90)
    collage = Image.new("RGB", (400, 400))
    for n, image in enumerate(originals[n] for n in (1, 2, 3, 5)):
        collage.paste(image, (200 * (n % 2), 200 * (n // 2)))
    collage.save(tmp_path / "a" / "collage.jpg", quality=90)
    given = scanned(tmp_path)
    without, _, _ = find_copies.find(*given, lambda i: tmp_path / i)
    assert without.empty
    vectors = colours(tmp_path, list(given[1]["image_id"]))
    embeddings = tables.Embeddings(given[1]["image_id"], vectors)
    pairs, clusters, _ = find_copies.find(*given, lambda i: tmp_path / i, embeddings=embeddings)
    assert pairs[["image_id", "other_id", "kind", "transform"]].to_numpy().tolist() == [
        *(["a/" + name, "a/collage.jpg", "near", tables.TILE] for name in ("01.jpg", "02.jpg", "03.jpg")),
        ["a/04.jpg", "a/part.jpg", "near", tables.ALIGNED],
        ["a/05.jpg", "a/collage.jpg", "near", tables.TILE],
    ]
    found = clusters.set_index("image_id")
    assert set(found.index[found["cluster"].notna()]) == {"a/04.jpg", "a/part.jpg"}, "a collage replaces no tile"
    assert found["split_group"].value_counts().to_list() == [5, 2]


def test_tiles_and_what_a_frame_holds_are_candidates(tmp_path: Path) -> None:
    """Of 12 pictures: 1 × 3, 3 × 1 and framed ones find their originals, and nothing else."""
    pictures = photographs()
    row = Image.new("RGB", (600, 200))
    for n in range(3):
        row.paste(pictures[1 + n], (200 * n, 0))
    column = Image.new("RGB", (200, 600))
    for n in range(3):
        column.paste(pictures[3 + n], (0, 200 * n))
    framed = ImageOps.expand(pictures[6], 100, "black")
    for n, image in enumerate([*pictures, row, column, framed]):
        (tmp_path / "a").mkdir(exist_ok=True)
        image.save(tmp_path / "a" / f"{n:02}.png")
    _, features, thumbnails = scanned(tmp_path)
    hashes = features["phash_identity"].to_numpy(np.uint64)
    pairs, tile = tile_pairs.candidates(thumbnails[1].reshape(-1, 32, 32), hashes)
    assert {(*pair, kind) for pair, kind in zip(pairs.tolist(), tile.tolist(), strict=True)} == {
        *((n, 12, True) for n in range(1, 4)),
        *((n, 13, True) for n in range(3, 6)),
        (6, 14, False),
    }
    none, _ = tile_pairs.candidates(np.full((3, 32, 32), 7, np.uint8), np.arange(3, dtype=np.uint64))
    assert not len(none)


def colours(folder: Path, names: list[str]) -> npt.NDArray[np.float32]:
    """How often which colours occur: features that a crop hardly changes."""
    rows = []
    for name in names:
        with Image.open(folder / name) as image:
            rows.append(np.sqrt(image.convert("RGB").quantize(32, palette=_PALETTE).histogram()[:32]))
    return np.array(rows, np.float32)


_PALETTE = Image.fromarray(np.concatenate(load_sample_images().images)).quantize(32)
