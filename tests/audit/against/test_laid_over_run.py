"""New images that are parts, collages or tilted copies of a run's are found, look-alikes are not, and what can't be
looked at is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imageclinic.audit.against import copies_of_run, laid_over_run
from imageclinic.audit.against.copies_of_run import Scanned
from imageclinic.audit.against.copy_words import evidence, with_run
from imageclinic.audit.copies.laid_over import embedding_pairs, tile_pairs
from imageclinic.core import tables
from tests.audit.copies.test_embedding_pairs import colours, part, photographs
from tests.audit.copies.test_find_copies import scanned


def side(folder: Path) -> tuple[Scanned, tables.Embeddings]:
    dataset, features, thumbnails = scanned(folder)
    ids = features["image_id"]
    made = Scanned(dataset, features, thumbnails, lambda i: folder / i)
    return made, tables.Embeddings(ids, colours(folder, list(ids)))


@pytest.fixture
def sides(tmp_path: Path) -> tuple[tuple[Scanned, tables.Embeddings], tuple[Scanned, tables.Embeddings]]:
    """Of twelve photographs eight are in the run; new are four others, a part, a tilted one, and a collage."""
    pictures = photographs()
    for name, images in (("run", pictures[:8]), ("new", pictures[8:])):
        (tmp_path / name / "a").mkdir(parents=True)
        for n, image in enumerate(images):
            image.save(tmp_path / name / "a" / f"{n}.jpg", quality=90)
    new = tmp_path / "new" / "a"
    part(pictures[4]).save(new / "part.jpg", quality=90)
    tilted = pictures[7].rotate(8, Image.Resampling.BICUBIC)
    tilted.crop((14, 14, 186, 186)).save(new / "tilted.jpg", quality=90)
    collage = Image.new("RGB", (400, 400))
    for n, at in enumerate((1, 2, 3, 11)):
        collage.paste(pictures[at], (200 * (n % 2), 200 * (n // 2)))
    collage.save(new / "collage.jpg", quality=90)
    return side(tmp_path / "new"), side(tmp_path / "run")


def test_parts_collages_and_tilted_copies_are_found(sides: tuple) -> None:
    new, run = sides
    by_hashes, apart, _ = copies_of_run.find(new[0], run[0])
    assert by_hashes.empty
    found, notes = laid_over_run.find(new, run, apart)
    assert found[["image_id", "other_id", "transform"]].to_numpy().tolist() == [
        *(["a/collage.jpg", f"a/{n}.jpg", tables.TILE] for n in (1, 2, 3)),
        ["a/part.jpg", "a/4.jpg", tables.ALIGNED],
        ["a/tilted.jpg", "a/7.jpg", tables.ALIGNED],
    ]
    assert found["similarity"].between(0.5, 1).all() and found["verified"].all() and not notes
    known = run[0].dataset.assign(decision=None, split="test", label="b")
    words = evidence(with_run(found, new[0].dataset, known))
    assert words[3] == (
        "A near copy of a/4.jpg, cropped, framed, scaled or turned a little, labelled b, in the run's test split."
    )


def test_what_is_settled_is_not_asked_again(sides: tuple) -> None:
    new, run = sides
    found, _ = laid_over_run.find(new, run, {("a/part.jpg", "a/4.jpg"), ("a/collage.jpg", "a/1.jpg")})
    assert set(found["image_id"]) == {"a/collage.jpg", "a/tilted.jpg"} and "a/1.jpg" not in set(found["other_id"])


def test_files_that_are_gone_or_damaged_are_said(sides: tuple) -> None:
    new, run = sides
    run[0].path("a/4.jpg").unlink()
    run[0].path("a/7.jpg").write_bytes(b"no picture")
    found, notes = laid_over_run.find(new, run, set())
    assert set(found["image_id"]) == {"a/collage.jpg"}
    gone, broken = notes
    assert gone.startswith("1 image of the run is not where the audit read them") and "was not looked at" in gone
    assert broken == "1 image looks like others, but can't be compared: a/7.jpg"


def test_a_large_run_is_not_searched_and_a_note_says_so(sides: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_pairs, "MOST_IMAGES", 7)
    found, (note,) = laid_over_run.find(*sides, set())
    assert found.empty and "were not looked for in the run: its 8 images are more than 7" in note


def test_candidates_between_two_sets_are_those_of_both_together() -> None:
    """A copy is nearer to its original than the original's and its own look-alikes are; strangers are no candidates."""
    rng = np.random.default_rng(0)
    crowd = np.concatenate([rng.normal(middle, 0.5, (30, 64)) for middle in rng.normal(0, 1, (3, 64))])
    copies = crowd[:8] + rng.normal(0, 0.1, (8, 64))
    others = rng.normal(0, 1, (20, 64))
    found = embedding_pairs.candidates_between(np.concatenate([copies, others]), crowd).tolist()
    assert {(n, n) for n in range(8)} <= {tuple(pair) for pair in found}
    assert len(found) <= 12
    assert not len(embedding_pairs.candidates_between(copies, crowd[:3]))
    assert not len(embedding_pairs.candidates_between(copies[:0], crowd))
    plain = np.full((3, 32, 32), 7, np.uint8), np.arange(3, dtype=np.uint64)
    none = np.empty((0, 32, 32), np.uint8), np.empty(0, np.uint64)  # all are too small for keypoints, as digits are
    for one, other in ((plain, plain), (none, plain), (plain, none), (none, none)):
        assert tile_pairs.candidates_between(one, other)[0].shape == (0, 2)
