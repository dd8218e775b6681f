"""What the benchmarks of leaks and diagnoses plant in photographs, and what counts as right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import diagnose_photos, planted_leak
from benchmarks.diagnose_photos import CASES, drawn, right
from tests.conftest import picture


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of forty pictures of two classes, every tenth label wrong."""
    root = tmp_path_factory.mktemp("photographs")
    rows = []
    for n in range(40):
        picture(n, (64, 48)).save(root / f"{n}.jpg")
        true = "ab"[n % 2]
        rows.append((f"{n}.jpg", true if n % 10 else "ab"[1 - n % 2], true))
    pd.DataFrame(rows, columns=["path", "label", "label_true"]).to_csv(root / "labels.csv", index=False)
    return root / "labels.csv"


def test_half_of_the_test_is_planted_in_train_and_repaired(photographs: Path, tmp_path: Path) -> None:
    rows = planted_leak.plant(photographs, tmp_path, 40, 0.5, 0)
    assert rows.groupby(["split", "planted"]).size().to_dict() == {
        ("test", False): 20,
        ("train", False): 20,
        ("train", True): 10,
    }
    assert all((tmp_path / path).is_file() for path in rows["path"])
    repaired = planted_leak.repairs(rows, 0)
    assert set(repaired["leak repaired"]["image_id"]) == set(rows.loc[rows["planted"], "path"])
    learnt = rows[(rows["split"] == "train") & ~rows["planted"]].set_index("path")
    mended = repaired["cleaned"].query("decision == 'relabel'").set_index("image_id")["label"]
    assert mended.to_dict() == learnt.loc[learnt["label"] != learnt["label_true"], "label_true"].to_dict()


def test_each_case_plants_what_it_says(photographs: Path) -> None:
    rows, pictures = drawn(photographs, 2, 40, 0)
    assert rows["split"].value_counts().to_dict() == {"train": 16, "test": 16, "val": 8}
    plain = {path: image.size for path, image in pictures.items()}

    def planted(case: str) -> tuple[pd.DataFrame, dict[str, diagnose_photos.Picture]]:
        rows, pictures = drawn(photographs, 2, 40, 0)
        return CASES[case].plant(rows, pictures, np.random.default_rng(0)), pictures

    more, seen = planted("leak")
    assert len(more) == 48 and set(more["path"]) == set(seen)
    _, seen = planted("width")
    assert {image.width for image in seen.values()} == {64, 200}
    _, seen = planted("border")
    assert {path: image.size for path, image in seen.items()} == plain
    assert sum(image.getpixel((0, 0)) == (0, 0, 0) for image in seen.values()) == 20
    moved, _ = planted("labels")
    assert 4 <= (moved["label"] != rows["label"]).sum() <= 20
    _, seen = planted("shift")
    changed = {path for path in seen if seen[path].tobytes() != pictures[path].tobytes()}
    assert changed == set(rows.loc[rows["split"] == "test", "path"])


def test_what_counts_as_right() -> None:
    def found(*causes: tuple[str, float | None]) -> dict[str, list[dict[str, object]]]:
        return {"causes": [{"cause": cause, "severity": severity} for cause, severity in causes]}

    assert right(CASES["nothing"], found(("augmentation", None)))
    assert not right(CASES["nothing"], found(("augmentation", None), ("label_noise", 3.0)))
    assert right(CASES["leak"], found(("duplicates_and_leakage", 50.0), ("augmentation", None)))
    assert not right(CASES["leak"], found(("augmentation", None), ("duplicates_and_leakage", 50.0)))
    both = ("label_noise", 20.0), ("duplicates_and_leakage", 50.0)
    assert right(CASES["two"], found(*both)) and not right(CASES["two"], found(both[0], ("x", None), both[1]))
    perhaps = {**found(both[1]), "possible": [{"cause": "label_noise", "severity": 20.0}]}
    assert not right(CASES["two"], perhaps) and right(CASES["two"], perhaps, if_possible=True)
    assert not right(CASES["labels"], perhaps, if_possible=True), "a cause that was not planted is named before it"
