"""The second look: aligned over crops and turns, with a threshold that the dataset's look-alikes set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imageclinic.audit.copies import aligned_crops, full_decode_match, thumbnail_match
from imageclinic.core.schema import ORIENTATIONS
from tests.conftest import picture

SIDE = 32
INVERSE = {o: o for o in ORIENTATIONS} | {"rot90": "rot270", "rot270": "rot90"}


def thumbnail(image: Image.Image) -> thumbnail_match.Bytes:
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def corner(image: Image.Image, left: float, top: float, share: float) -> Image.Image:
    w, h = image.size
    return image.crop((round(left * w), round(top * h), round((left + share) * w), round((top + share) * h)))


def turned(image: Image.Image, orientation: str) -> Image.Image:
    """The picture that `orientation` turns back."""
    pixels = np.asarray(image)[None]
    undone = aligned_crops.turn(
        pixels.transpose(3, 1, 2, 0)[..., 0].astype(np.float32), ORIENTATIONS.index(INVERSE[orientation])
    )
    return Image.fromarray(undone.transpose(1, 2, 0).astype(np.uint8))


def pair(one: Image.Image, two: Image.Image, orientation: str = "identity") -> thumbnail_match.Looks:
    thumbnails = np.stack([thumbnail(one), thumbnail(two)])
    turn = np.array([ORIENTATIONS.index(orientation)], np.uint8)
    return thumbnail_match.look(thumbnails, np.array([0]), np.array([1]), turn)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turned_and_cropped_copies_are_aligned(orientation: str, tmp_path: Path) -> None:
    whole = picture(1, (200, 200))
    other = turned(corner(whole, 0.1, 0.0, 0.9), orientation)
    seen = pair(whole, other, orientation)
    assert seen.first[0]
    np.testing.assert_allclose(seen.window[0], [0.0, 0.9, 0.1, 1.0], atol=1e-6)
    assert min(seen.similarity[0], seen.detail[0]) > 0.9
    back = pair(other, whole, INVERSE[orientation])
    assert not back.first[0]
    assert back.detail[0] > 0.9
    # The window is one of the turned picture: cut there, the full pictures agree.
    whole.save(tmp_path / "whole.png")
    other.save(tmp_path / "other.png")
    for found, one, two, turn in (
        (seen, "whole", "other", orientation),
        (back, "other", "whole", INVERSE[orientation]),
    ):
        window = tuple(found.window[0].tolist())
        asked = full_decode_match.Pair(
            tmp_path / f"{one}.png", tmp_path / f"{two}.png", ORIENTATIONS.index(turn), bool(found.first[0]), window
        )
        verdict = full_decode_match.compare([asked])[0]
        assert verdict.error is None
        assert verdict.copy and verdict.difference < 1


def test_unlike_pictures_share_no_detail() -> None:
    seen = pair(picture(1, (200, 200)), picture(2, (200, 200)))
    assert abs(seen.detail[0]) < 0.5
    blank = pair(Image.new("L", (40, 40), 200), picture(2, (200, 200)))
    assert (blank.similarity[0], blank.detail[0]) == (0, 0)


def test_candidates_that_are_all_hopeless() -> None:
    thumbnails = np.stack([thumbnail(picture(seed, (200, 200))) for seed in range(6)])
    assert judged(thumbnails) == (set(), set())


def crowd(n: int, seed: int = 0) -> thumbnail_match.Bytes:
    """Pictures of one coarse shape and each with its own detail; the last one is the first, a little changed."""
    rng = np.random.default_rng(seed)
    shape = np.asarray(picture(7, (SIDE, SIDE)).convert("L")).astype(float)
    pictures = [0.7 * shape + 40 + rng.normal(0, 14, (SIDE, SIDE)) for _ in range(n)]
    pictures[-1] = pictures[0] + rng.normal(0, 3, (SIDE, SIDE))
    return np.stack(pictures).clip(0, 255).astype(np.uint8)


def judged(thumbnails: thumbnail_match.Bytes) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """Pairs that reach the least detail, and those of them that reach the dataset's threshold."""
    i, j = np.triu_indices(len(thumbnails), 1)
    zeros = np.zeros(len(i), np.uint8)
    # All pairs but the copies stand for those beyond the radius.
    unlike = (i != 0) | (j != len(thumbnails) - 1)
    strangers = (i[unlike], j[unlike], zeros[unlike] + 13, zeros[unlike])
    at, _, sure = thumbnail_match.likely(thumbnails, i, j, zeros + 10, zeros, strangers)
    pairs = list(zip(i[at].tolist(), j[at].tolist(), strict=True))
    return set(pairs), {p for p, s in zip(pairs, sure, strict=True) if s}


def test_a_copy_stands_out_of_a_crowd_of_look_alikes() -> None:
    thumbnails = crowd(60)
    assert judged(thumbnails)[1] == {(0, 59)}


def test_the_glance_loses_none_that_the_full_look_would_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    thumbnails = np.concatenate([crowd(20), crowd(20, 1) // 2 + 60])
    quick = judged(thumbnails)
    monkeypatch.setattr(thumbnail_match, "GLANCE", (-1.0, -1.0))
    assert judged(thumbnails) == quick
    assert quick[0]


def test_the_threshold_rises_with_the_detail_that_look_alikes_share() -> None:
    rng = np.random.default_rng(0)
    distance = rng.integers(8, 13, 2000).astype(np.uint8)

    def threshold(mean: float, n: int, candidates: int = 2000) -> float:
        detail = np.tanh(rng.normal(mean, 0.15, 2000)).astype(np.float32)
        return float(
            thumbnail_match.detail_threshold(detail[:n], distance[:n], np.array([10], np.uint8), candidates)[0]
        )

    assert threshold(0.1, 2000) == thumbnail_match.MIN_DETAIL
    assert thumbnail_match.MIN_DETAIL < threshold(0.5, 2000) < threshold(0.8, 2000) < thumbnail_match.MAX_DETAIL
    assert threshold(2.0, 2000) == thumbnail_match.MAX_DETAIL
    assert threshold(0.8, 29) == thumbnail_match.MIN_DETAIL, "that few are no crowd"
    assert threshold(0.5, 2000, 10**6) > threshold(0.5, 2000, 100), "more candidates, more chances to be wrong"
