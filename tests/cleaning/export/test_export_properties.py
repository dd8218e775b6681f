"""Over random tables with copies, groups, decisions and hostile names: what every export has to hold."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageclinic.audit.copies import clusters as neighbors
from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.decisions.apply import apply
from imageclinic.cleaning.export.balance import BALANCES
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cleaning.export.write_export import CleanedDataset, export
from imageclinic.cleaning.split.stratified_split import assign, require_training
from imageclinic.core import run as runs
from imageclinic.core import tables
from imageclinic.core.errors import InputError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("only_equal_files_are_copies")]

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)
LABELS = ("cat", "Cat", "../up", "=cmd()", "con", "n\new", "ä" * 90, "01", "NA", " a.", "<b>|`")


@st.composite
def tables_of_images(draw: st.DrawFn) -> dict[str, Any]:
    """Names, and for each a content, a label, a group and a decision; equal contents are copies."""
    names = draw(st.lists(NAMES, min_size=8, max_size=24, unique_by=lambda name: name.casefold()))
    n = len(names)
    labels = draw(st.lists(st.sampled_from(LABELS), min_size=2, max_size=3, unique=True))

    def column(values: Any) -> list[Any]:
        return draw(st.lists(values, min_size=n, max_size=n))

    return {
        "names": [f"{folder}/{name}" for folder, name in zip(column(st.sampled_from("ab")), names, strict=True)],
        "content": column(st.integers(0, 30)),
        "label": column(st.sampled_from(labels)),
        "labels": labels,
        "group": column(st.sampled_from([None, None, None, "Tom", "Ann"])),
        "decision": column(st.sampled_from([None, None, None, None, "keep", "drop", "relabel"])),
        "format": draw(st.sampled_from(["folders", "imagefolder", "fiftyone", "tfrecord", "manifest"])),
        "balance": draw(st.sampled_from(BALANCES)),
        "seed": draw(st.integers(0, 5)),
    }


def audited(case: dict[str, Any], root: Path) -> tuple[runs.Run, pd.DataFrame, pd.DataFrame]:
    """The case on disk: its run, dataset table, and clusters."""
    for name, content in zip(case["names"], case["content"], strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"%d" % content)
    sha256 = [hashlib.sha256(b"%d" % content).hexdigest() for content in case["content"]]
    dataset = tables.frame(
        tables.DATASET,
        image_id=[tables.to_image_id(name) for name in case["names"]],
        label=case["label"],
        group=case["group"],
        bytes=[len(b"%d" % content) for content in case["content"]],
        mtime_ns=0,
        sha256=sha256,
        format=["PNG" if content % 2 else "JPEG" for content in case["content"]],
        width=8,
        height=8,
    )
    run = runs.create(root.parent / "run")
    run.update_info({"root": str(root)})
    run.write(tables.DATASET, dataset)
    copies = pd.DataFrame({"image_id": dataset["image_id"], "sha256": sha256}).merge(
        pd.DataFrame({"other_id": dataset["image_id"], "sha256": sha256}), on="sha256"
    )
    copies = copies[copies["image_id"] < copies["other_id"]]
    pairs = tables.frame(
        tables.NEIGHBORS,
        image_id=copies["image_id"],
        other_id=copies["other_id"],
        kind="bytes",
        distance=0,
        transform="identity",
        similarity=1.0,
    )
    return run, dataset, neighbors.cluster(pairs, dataset.set_index("image_id")["group"])


@settings(max_examples=30, deadline=None)
@given(tables_of_images())
def test_what_every_export_holds(case: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "data"
        run, dataset, clusters = audited(case, root)
        events = [
            {
                "image_id": image_id,
                "decision": decision,
                "label": case["labels"][0] if decision == "relabel" else None,
                "reviewer": "ann",
            }
            for image_id, decision in zip(dataset["image_id"], case["decision"], strict=True)
            if decision
        ]
        if events:
            decision_log.append(run.decisions, pd.DataFrame(events))
        current = decision_log.current(decision_log.read(run.decisions), dataset)
        cleaned, changes = apply(dataset, current)
        grouped = cleaned.merge(clusters[["image_id", "split_group"]], on="image_id", how="left")
        splits, _ = assign(grouped, (0.6, 0.2, 0.2), seed=case["seed"])
        try:
            require_training(cleaned, splits)
        except InputError:
            splits = splits.assign(split="train")
        if not len(cleaned):
            return
        balance = "none" if case["format"] == "tfrecord" else case["balance"]
        out = Path(scratch) / "out"

        def not_yet(done: int, total: int) -> None:
            assert not out.exists()

        before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
        content = CleanedDataset(cleaned, splits, clusters, changes, current)
        options = ExportOptions(format=case["format"], balance=balance, seed=case["seed"])
        export(content, run, out, options, not_yet)
        assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
        assert sorted(path.name for path in Path(scratch).iterdir()) == ["data", "out", "run"]
        held(case, dataset, out, tables.read_csv(out / "manifest.csv", tables.MANIFEST))


def held(case: dict[str, Any], dataset: pd.DataFrame, out: Path, manifest: pd.DataFrame) -> None:
    """The promises that the proofs can't know of: those about decisions, groups, and names."""
    rows = manifest.set_index("image_id")
    expected = {}
    for image_id, label, decision in zip(dataset["image_id"], case["label"], case["decision"], strict=True):
        if decision != "drop":
            expected[image_id] = case["labels"][0] if decision == "relabel" else label
    assert rows["label"].to_dict() == expected
    split = dataset["image_id"].map(rows["split"])
    for column in ("content", "group"):
        parts = pd.Series(np.asarray(split, dtype=object)).groupby(pd.Series(case[column])).nunique()
        assert (parts <= 1).all(), f"one {column} in two splits"
    inside = [PurePosixPath(path) for path in manifest["path"]]
    assert len({str(path).casefold() for path in inside}) == len(inside)
    if case["format"] != "manifest":
        assert all(path.parts[0] in tables.SPLITS and ".." not in path.parts for path in inside)
    listed = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    if case["format"] in ("folders", "imagefolder", "fiftyone"):
        assert {str(path) for path in inside} <= listed
