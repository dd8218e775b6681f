"""What tiles show."""

from __future__ import annotations

from imageclinic.audit import runner
from imageclinic.cleaning.review.dataset.appearance import tile_fields
from imageclinic.cleaning.review.dataset.fields import FIELDS


def test_tiles_name_the_split_where_copies_are_in_several() -> None:
    assert "split_leakage" in runner.load(), "a check by this name"
    assert "split" in FIELDS, "and a field"
    assert "split" in tile_fields(["blurry", "split_leakage"])
    assert "split" not in tile_fields(["blurry", "near_duplicate"])
