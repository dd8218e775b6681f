from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from imageclinic.audit.copies import clusters as neighbors
from imageclinic.audit.copies import find_copies
from imageclinic.audit.listing import image_listing
from imageclinic.audit.scan.measure import measure
from imageclinic.core import tables
from imageclinic.core.large.vector_file import VectorFile
from tests.conftest import picture


def scanned(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, find_copies.Thumbnails]:
    """What a scan makes of a folder, without its processes."""
    images = image_listing.load(folder).images
    measured = measure([str(folder / i) for i in images["image_id"]])
    thumbnails = np.stack([np.frombuffer(bytes(t), np.uint8) for t in measured["thumbnail"].to_pylist()])
    whole = pd.concat([images, measured.drop_columns(["thumbnail"]).to_pandas()], axis=1)
    readable = whole["read_error"].isna()
    features = tables.validate(whole[readable].reset_index(drop=True), tables.FEATURES)
    return tables.validate(whole, tables.DATASET), features, (features["image_id"], thumbnails[readable])


def find(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    return find_copies.find(*scanned(folder), lambda i: folder / i)


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
def test_altered_copies_are_found(folder: Path, way: str) -> None:
    alter, transform = WAYS[way]
    alter(picture(3, (120, 100))).save(folder / "dog" / "copy.png")
    picture(3, (120, 100)).save(folder / "cat" / "3.png")
    pairs, clusters, _ = find(folder)
    assert pairs[["image_id", "other_id", "kind", "transform"]].values.tolist() == [
        ["cat/3.png", "dog/copy.png", "near", transform]
    ]
    assert clusters["cluster"].tolist() == ["cat/3.png"] * 2


def test_equal_bytes_and_equal_pixels_are_distinguished(folder: Path) -> None:
    (folder / "dog" / "bytes.png").write_bytes((folder / "cat" / "0.png").read_bytes())
    Image.open(folder / "cat" / "1.png").save(folder / "dog" / "pixels.png", compress_level=1)
    pairs, _, _ = find(folder)
    assert pairs[["image_id", "other_id", "kind"]].values.tolist() == [
        ["cat/0.png", "dog/bytes.png", "bytes"],
        ["cat/1.png", "dog/pixels.png", "pixels"],
    ]


def test_unlike_pictures_are_no_copies(folder: Path) -> None:
    pairs, clusters, notes = find(folder)
    assert pairs.empty
    assert clusters.empty
    assert notes == []


def test_blank_pictures_are_no_near_copies(folder: Path) -> None:
    for n in range(5):
        Image.new("RGB", (40, 40), (200 + n, 200, 200)).save(folder / "cat" / f"blank{n}.png")
    pairs, _, notes = find(folder)
    assert pairs.empty
    assert notes == ["5 nearly blank images were compared for equal pixels only, not for near copies"]


def test_many_equal_files_do_not_explode(folder: Path) -> None:
    data = (folder / "cat" / "0.png").read_bytes()
    for n in range(100):
        (folder / "dog" / f"same{n:03}.png").write_bytes(data)
    pairs, clusters, _ = find(folder)
    assert len(pairs) == 100
    assert clusters["cluster"].nunique() == 1
    assert len(clusters) == 101


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
    found = neighbors.cluster(pairs, groups).set_index("image_id")
    assert found["cluster"].dropna().to_dict() == {"a": "a", "b": "a", "d": "d", "e": "d"}
    assert found["split_group"].to_dict() == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "d", "f": "d"}


def test_clusters_over_equal_files_need_one_pair_of_each_group() -> None:
    """Copies of a copy are one picture, whichever of the equal files a near pair names."""
    same = tables.frame(
        tables.NEIGHBORS,
        image_id=["a", "c"],
        other_id=["b", "d"],
        kind=["bytes", "pixels"],
        distance=[0, 0],
        transform=["identity"] * 2,
        similarity=[1.0, 1.0],
    )
    pairs = pd.concat([same, pairs_of(("b", "c"), ("d", "e"))], ignore_index=True)
    groups = pd.Series(dict.fromkeys("abcde"), dtype="str")
    found = neighbors.cluster(pairs, groups).set_index("image_id")
    assert found["cluster"].dropna().to_dict() == dict.fromkeys("abcd", "a")
    assert set(found["split_group"]) == {"a"}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30), st.lists(st.integers(0, 3), max_size=10))
def test_every_cluster_is_a_clique_that_nothing_could_join(edges: list[tuple[int, int]], groups: list[int]) -> None:
    edges = sorted({(min(e), max(e)) for e in edges if e[0] != e[1]})
    pairs = pairs_of(*((str(a), str(b)) for a, b in edges)) if edges else tables.empty(tables.NEIGHBORS)
    named = pd.Series({str(at): str(g) if g else None for at, g in enumerate(groups)}, dtype="str")
    found = neighbors.cluster(pairs, named).set_index("image_id")
    assert set(found.index) == {str(x) for e in edges for x in e} | set(named.dropna().index)
    clusters = [set(map(int, g)) for g in found.groupby("cluster").groups.values()]
    linked = {frozenset(e) for e in edges}
    for cluster in clusters:
        assert len(cluster) > 1
        assert all(frozenset((a, b)) in linked for a in cluster for b in cluster if a < b)
        assert str(min(cluster)) == found["cluster"][str(min(cluster))]
    alone = {int(i) for i in found.index[found["cluster"].isna()]}
    assert not any(
        all(frozenset((x, y)) in linked for y in part)
        for x in alone
        for part in [*clusters, *({y} for y in alone - {x})]
    )
    for a, b in edges:
        assert found["split_group"][str(a)] == found["split_group"][str(b)]
    for members in named.dropna().groupby(named.dropna()).groups.values():
        assert found["split_group"][list(members)].nunique() == 1


def grouped(*groups: str) -> pd.Series:
    """`neighbors.equal` of groups such as "abc", of one letter each."""
    ids = pd.Series([i for g in groups for i in g], dtype="str")
    return neighbors.equal(ids, pd.Series([g for g in groups for _ in g], dtype="str"))


def test_equal_groups() -> None:
    ids = pd.Series(["d", "b", "a", "c", "e"], dtype="str")
    first = neighbors.equal(ids, pd.Series(["x", "y", "x", None, None], dtype="str"))
    assert first.to_dict() == {"a": "a", "d": "a"}


def test_all_pairs_of_a_group_and_a_star_of_a_large_one() -> None:
    small = neighbors.group_pairs(grouped("abcd", "xy"), "bytes")
    assert sorted(zip(small["image_id"], small["other_id"], strict=True)) == [
        ("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d"), ("x", "y"),
    ]  # fmt: skip
    ids = pd.Series([f"{n:03}" for n in range(neighbors.MAX_GROUP + 1)], dtype="str")
    large = neighbors.group_pairs(neighbors.equal(ids, pd.Series(["k"] * len(ids))), "pixels")
    assert large["image_id"].tolist() == ["000"] * neighbors.MAX_GROUP
    assert large["other_id"].tolist() == ids[1:].tolist()
    assert neighbors.group_pairs(grouped(), "bytes").empty


def test_pairs_of_first_members_are_spread_over_their_groups() -> None:
    pair = pairs_of(("b", "m")).assign(transform="rot90")
    spread = neighbors.spread(pair, grouped("bz", "mno"))
    assert sorted(zip(spread["image_id"], spread["other_id"], spread["transform"], strict=True)) == [
        ("b", "m", "rot90"), ("b", "n", "rot90"), ("b", "o", "rot90"),
        ("m", "z", "rot270"), ("n", "z", "rot270"), ("o", "z", "rot270"),
    ]  # fmt: skip
    assert neighbors.spread(pair, grouped()).equals(pair)


def test_large_groups_are_spread_over_their_first_members_only() -> None:
    left, right = ([f"{name}{n:03}" for n in range(100)] for name in "ab")
    ids = pd.Series(left + right, dtype="str")
    first = neighbors.equal(ids, ids.str[0])
    spread = neighbors.spread(pairs_of(("a000", "b000")), first)
    assert len(spread) == 2 * neighbors.MAX_GROUP - 1
    assert not spread.duplicated(["image_id", "other_id"]).any()
    assert (spread["image_id"].eq("a000") | spread["other_id"].eq("b000")).all()


def test_a_png_made_from_a_jpeg_has_the_same_pixels(folder: Path) -> None:
    picture(3, (120, 100)).save(folder / "cat" / "3.jpg", quality=90)
    Image.open(folder / "cat" / "3.jpg").save(folder / "dog" / "copy.png")
    reencoded(Image.open(folder / "cat" / "3.jpg"), 85).save(folder / "dog" / "other.png")
    pairs, clusters, _ = find(folder)
    assert pairs[["image_id", "other_id", "kind"]].values.tolist() == [
        ["cat/3.jpg", "dog/copy.png", "pixels"],
        ["cat/3.jpg", "dog/other.png", "near"],
        ["dog/copy.png", "dog/other.png", "near"],
    ]
    assert clusters["cluster"].tolist() == ["cat/3.jpg"] * 3


def test_deep_pictures_are_distinguished_beyond_eight_bits(folder: Path) -> None:
    deep = np.asarray(picture(3, (120, 100)).convert("L")).astype(np.uint16) * 256
    Image.fromarray(deep).save(folder / "cat" / "deep.png")
    Image.fromarray(deep).save(folder / "cat" / "same.png", compress_level=1)
    Image.fromarray(deep + 1).save(folder / "dog" / "other.png")
    pairs, _, _ = find(folder)
    kinds = {(a, b): kind for a, b, kind in pairs[["image_id", "other_id", "kind"]].values}
    assert kinds[("cat/deep.png", "cat/same.png")] == "pixels"
    assert kinds[("cat/deep.png", "dog/other.png")] == "near"


def test_a_smaller_radius_in_a_large_dataset_is_noted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_copies, "RADII", ((2, 12, 12), (None, 10, 8)))
    _, _, notes = find(folder)
    assert len(notes) == 1
    assert "to a hash distance of 10 bits, mirrored and turned ones to 8" in notes[0]


def test_too_many_images_for_64_bits_are_noted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not find(folder)[2]
    monkeypatch.setattr(find_copies, "CHANCE", 0)
    assert "64 bits" in find(folder)[2][0]
    monkeypatch.undo()
    few, many = (find_copies.by_chance(n, *find_copies.radii(n)) / n for n in (10_000_000, 20_000_000))
    assert few < find_copies.CHANCE < many


def test_a_crowd_of_look_alikes_is_noted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, base = np.random.default_rng(0), np.asarray(picture(3, (40, 40))).astype(int)
    for n in range(30):
        noisy = (base + rng.integers(-12, 13, base.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / "cat" / f"noisy{n:02}.png")
    monkeypatch.setattr(find_copies, "CANDIDATES", 20)
    monkeypatch.setattr(find_copies, "CANDIDATES_EACH", 1)
    pairs, _, notes = find(folder)
    assert any("have so many look-alikes that only their nearest ones were compared" in note for note in notes)
    assert len(pairs) < 30 * 29 // 2


def test_a_file_that_vanishes_after_the_scan_is_noted(folder: Path) -> None:
    picture(3, (120, 100)).save(folder / "cat" / "3.png")
    reencoded(picture(3, (120, 100)), 40).save(folder / "dog" / "copy.png")
    Image.open(folder / "cat" / "1.png").save(folder / "dog" / "pixels.png", compress_level=1)
    dataset, features, thumbnails = scanned(folder)
    (folder / "dog" / "copy.png").unlink()
    (folder / "dog" / "pixels.png").write_bytes(b"")
    pairs, _, notes = find_copies.find(dataset, features, thumbnails, lambda i: folder / i)
    assert pairs.empty
    assert len(notes) == 2, "the one of equal pixels was looked at as a near copy, too"
    assert all("can't be compared" in note for note in notes)


def test_shots_of_one_scene_by_a_fixed_camera_are_no_copies(tmp_path: Path) -> None:
    """Also without grain to tell them apart: what looks like nearly all images is no copy of each of them."""
    scene = picture(5, (140, 120))
    for n in range(40):
        (tmp_path / "good").mkdir(exist_ok=True)
        scene.crop((n % 6, n // 6, 130 + n % 6, 110 + n // 6)).save(tmp_path / "good" / f"{n:02}.png")
    pairs, clusters, notes = find(tmp_path)
    assert pairs.empty
    assert clusters.empty
    assert len(notes) == 1
    assert "40 images show one scene" in notes[0]


def test_files_of_several_frames_are_copies_in_all_of_them_or_not(folder: Path) -> None:
    def save(name: str, *frames: int, **options: object) -> None:
        first, *rest = (picture(n, (90, 80)) for n in frames)
        first.save(folder / "dog" / name, save_all=True, append_images=rest, **options)

    save("one.tif", 50, 51, 52)
    save("other.tif", 50, 61, 62)
    save("longer.tif", 50, 51, 52, 53)
    save("again.tif", 50, 51, 52, compression="tiff_deflate")
    pairs, _, _ = find(folder)
    assert pairs[["image_id", "other_id", "kind"]].to_numpy().tolist() == [["dog/again.tif", "dog/one.tif", "near"]]


def test_order_and_other_columns_of_the_tables_change_nothing(folder: Path, tmp_path: Path) -> None:
    """Thumbnails that stay in their file, tables of the needed columns alone, features in another order than images."""
    for n in range(6):
        reencoded(picture(20 + n, (120, 100)), 90).save(folder / "cat" / f"{n}-one.jpg")
        reencoded(picture(20 + n, (120, 100)), 60).save(folder / "dog" / f"{n}-two.jpg")
    shutil.copy(folder / "cat" / "3-one.jpg", folder / "dog" / "again.jpg")
    dataset, features, (ids, pixels) = scanned(folder)
    pairs, clusters, notes = find_copies.find(dataset, features, (ids, pixels), lambda i: folder / i)
    assert set(pairs["kind"]) == {"bytes", "near"}
    file = tmp_path / "thumbnails.parquet"
    tables.write_byte_chunks(file, {"image_id": ids[::-1]}, "thumbnail", [pixels[::-1][:4], pixels[::-1][4:]], 1024)
    again = find_copies.find(
        dataset[list(find_copies.COLUMNS[tables.DATASET])],
        features.sample(frac=1, random_state=0, ignore_index=True)[list(find_copies.COLUMNS[tables.FEATURES])],
        (ids[::-1].reset_index(drop=True), VectorFile(file, "thumbnail")),
        lambda i: folder / i,
    )
    pd.testing.assert_frame_equal(again[0], pairs)
    pd.testing.assert_frame_equal(again[1], clusters)
    assert again[2] == notes
