"""No cell of a CSV file that we write is a formula to a spreadsheet, and whoever reads it back gets the names."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from PIL import Image

from imageclinic.cleaning.export import balance, formats
from imageclinic.core import tables
from tests.helpers import foreign_loaders

NAMES = ('=HYPERLINK("http://x","y")', "+1", "-2", "@SUM(1)", "\tx", "'=1", "plain")


def manifest(root: Path | None = None):
    paths = [f"train/{at if '/' in name else name}/{n}.png" for at, name in enumerate(NAMES) for n in range(2)]
    labels = [name for name in NAMES for _ in range(2)]
    return tables.frame(
        tables.MANIFEST,
        image_id=[f"{name}/{n}.png" for name in NAMES for n in range(2)],
        path=paths,
        label=labels,
        split="train",
        split_group=[f"{n}" for n in range(len(paths))],
        sha256=[f"{n:064}" for n in range(len(paths))],
    )


@pytest.mark.parametrize("format", formats.names())
def test_no_cell_of_an_index_is_a_formula(format: str) -> None:
    rows = manifest()
    written = {
        **formats.load(format).indexes(rows),
        **balance.files(rows, "oversample", sorted(NAMES), 0),
    }
    files = {name: text for name, text in written.items() if name.endswith(".csv")}
    assert files
    for name, text in files.items():
        for line in csv.reader(io.StringIO(text, newline="")):
            for cell in line:
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), (name, cell)


def test_names_come_back_from_manifest_and_balance(tmp_path: Path) -> None:
    rows = manifest()
    tables.write_csv(tmp_path / "manifest.csv", rows, tables.MANIFEST)
    assert tables.read_csv(tmp_path / "manifest.csv", tables.MANIFEST)["label"].tolist() == rows["label"].tolist()
    (tmp_path / "balance.csv").write_text(balance.files(rows, "oversample", sorted(NAMES), 0)["balance.csv"], "utf-8")
    assert tables.read_csv(tmp_path / "balance.csv", tables.BALANCE)["label"].tolist() == rows["label"].tolist()


@pytest.mark.slow
def test_the_loader_of_imagefolder_finds_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    rows = manifest()
    for n, path in enumerate(rows["path"]):
        file = tmp_path / "out" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 3), n).save(file)
    for name, text in formats.load("imagefolder").indexes(rows).items():
        (tmp_path / "out" / name).write_text(text, "utf-8")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    with foreign_loaders.quiet():
        loaded = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"))["train"]
    numbers = {label: n for n, label in enumerate(sorted(NAMES))}
    found = {row["image"].getpixel((0, 0)): row["label"] for row in loaded}
    assert found == {n: numbers[label] for n, label in enumerate(rows["label"])}
