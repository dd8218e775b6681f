"""Files of several frames that begin alike are no copies."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from imageclinic.audit.copies import full_decode_match
from tests.conftest import picture

WHOLE = (0.0, 1.0, 0.0, 1.0)
SAVE = {"gif": {}, "tif": {}, "png": {}, "webp": {"lossless": True}}


def save(path: Path, seeds: list[int], **options: object) -> Path:
    first, *rest = [picture(seed) for seed in seeds]
    first.save(path, save_all=True, append_images=rest, **SAVE[path.suffix[1:]], **options)
    return path


def compare(one: Path, two: Path) -> full_decode_match.Verdict:
    return full_decode_match.compare([full_decode_match.Pair(one, two, 0, True, WHOLE)])[0]


@pytest.mark.parametrize("suffix", SAVE)
def test_the_same_beginning_is_not_the_same(suffix: str, tmp_path: Path) -> None:
    one = save(tmp_path / f"one.{suffix}", [1, 2, 3])
    two = save(tmp_path / f"two.{suffix}", [1, 4, 5])
    same = tmp_path / f"same.{suffix}"
    same.write_bytes(one.read_bytes())
    first = tmp_path / "first.png"
    with Image.open(one) as image:
        image.seek(0)
        image.convert("RGBA").save(first)
    digests = [digest for digest, _ in full_decode_match.pixel_digests([one, two, same, first])]
    assert None not in digests and digests[0] == digests[2] and len(set(digests)) == 3
    assert compare(one, same).copy and not compare(one, same).equal, (
        "only equal bytes make files of frames exact copies"
    )
    assert not compare(one, two).copy, "not even a near copy"
    assert not compare(one, first).copy, "its first frame is not the file"
