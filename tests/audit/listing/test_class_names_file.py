"""classes.txt beside class folders: which name is whose, and when the folders' names stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from imageclinic.audit.listing import class_names_file, image_listing
from imageclinic.core.errors import InputError

NUMBERS = [str(n) for n in range(11)]


@pytest.mark.parametrize(
    ("text", "folders", "expected"),
    [
        ("tench\ngoldfish\n", ["n01", "n02"], {"n01": "tench", "n02": "goldfish"}),
        ("n02 gold fish\nn01, tench\nn03 shark\n", ["n01", "n02"], {"n01": "tench", "n02": "gold fish"}),
        ("0: cat\n1: dog\n", ["0", "1"], {"0": "cat", "1": "dog"}),
        ("1 001.Albatross\n2 002.Auklet\n", ["001.Albatross", "002.Auklet"], None),
        ("\ufeffcat\r\ndog\r\n", ["cat", "dog"], None),
        ("zero\n" + "\n".join("abcdefghij"), NUMBERS, {"0": "zero", "2": "b", "10": "j"}),
        ("one\ntwo\nthree\n", ["1", "3"], {"1": "one", "3": "three"}),
        ("cat\ndog\nemu\n", ["n01", "n02"], None),
        ("", ["n01"], None),
    ],
)
def test_names_of_classes(tmp_path, text: str, folders: list[str], expected: dict[str, str] | None) -> None:
    (tmp_path / "classes.txt").write_text(text)
    names, _ = class_names_file.read(tmp_path, folders)
    for folder in folders if expected is None else expected:
        assert names.get(folder, folder) == (folder if expected is None else expected[folder])


def test_a_folder_with_classes_txt(folder: Path) -> None:
    (folder / "classes.txt").write_text("cat Felis catus\ndog Canis familiaris\n")
    listing = image_listing.load(folder)
    assert set(listing.images["label"]) == {"Felis catus", "Canis familiaris"}
    assert any("cat is Felis catus" in note for note in listing.notes)
    (folder / "classes.txt").write_text("pet\npet\n")
    with pytest.raises(InputError, match="one name"):
        image_listing.load(folder)
    (folder / "classes.txt").write_text("a\nb\nc\n")
    assert set(image_listing.load(folder).images["label"]) == {"cat", "dog"}
