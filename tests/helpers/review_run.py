"""A small real run folder for the tests of the review: hostile names and labels, odd formats, copies."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from imageclinic.core import run, tables
from imageclinic.core.reading import saved_map

HOSTILE = "<img src=x onerror=document.title='hacked'>"
FORMULA = "=cmd()|x"
HOSTILE_LABELS = (
    HOSTILE,
    FORMULA,
    "../../x",
    "\N{RIGHT-TO-LEFT OVERRIDE}abc\N{HEBREW LETTER ALEF}",
    "\N{PILE OF POO} [a](javascript:alert(1)) | b",
)
CLASSES = ("cat", "dog", HOSTILE, FORMULA)
COPIES = ("cat/copy a.png", "cat/copy b.png")
MISLABELED = (
    "dog/01.png",
    f"dog/{HOSTILE}.png",
    "dog/a#b%20?.png",
    "dog/\N{HEBREW LETTER ALEF}\N{PILE OF POO}|x.png",
    "dog/05.png",
)


def make_run(folder: Path) -> run.Run:
    """Write images under `folder`/data and a run of them to `folder`/run; return the run."""
    root = folder / "data"
    files = [
        *(f"cat/{n:02d}.png" for n in range(6)),
        *COPIES,
        *MISLABELED,
        "dog/deep.tif",
        "dog/print.jpg",
        "dog/torn.jpg",
        "dog/raw\\x.dat",
        "cat/pale.png",
    ]
    for n, name in enumerate(files):
        _write(root / name, n)
    (root / COPIES[1]).write_bytes((root / COPIES[0]).read_bytes())
    (root / "dog/torn.jpg").write_bytes(b"\xff\xd8 no picture")
    result = run.create(folder / "run")
    result.update_info({"root": str(root)})
    rows = [_row(root, name) for name in files]
    dataset = pd.DataFrame(rows)
    result.write(tables.DATASET, dataset)
    ids = dataset["image_id"]
    result.write(
        tables.SPLIT_TABLE, tables.frame(tables.SPLIT_TABLE, image_id=ids, split=["test"] + ["train"] * (len(ids) - 1))
    )
    result.write(
        tables.CLUSTERS,
        tables.frame(tables.CLUSTERS, image_id=list(COPIES), cluster=["c1", "c1"], split_group=["g1", "g1"]),
    )
    result.write(tables.FEATURES, _features(ids[ids != "dog/torn.jpg"]))
    issues = [
        *(
            _issue(
                "mislabeled",
                name,
                0.99 - n / 10,
                "relabel",
                f"Labelled dog, at {n}%.",
                label=("cat", HOSTILE, FORMULA)[n % 3],
            )
            for n, name in enumerate(MISLABELED)
        ),
        *(_issue("exact_duplicate", name, 1.0, "review", "Same bytes.", cluster="c1") for name in COPIES),
        _issue("corrupted", "dog/torn.jpg", 1.0, "drop", "Broken data stream."),
        _issue("mislabeled", "dog/deep.tif", 0.4, "relabel", f"A {HOSTILE} it is.", label=HOSTILE),
        _issue("bright", "cat/pale.png", 0.8, "review", "5th percentile 0.97."),
        _issue("bright", MISLABELED[0], 0.6, "review", "5th percentile 0.96."),
        _issue("too_few_images", None, 0.5, "review", "18 images."),
    ]
    result.write(tables.ISSUES, pd.DataFrame(issues, columns=tables.ISSUES.names))
    return result


def make_large_run(folder: Path, root: Path) -> run.Run:
    """A run of 1,200 images under `root` and 1,000 classes, the first of them hostile, 400 of the labels flagged.

    Images 1000 to 1199 make the same mistake; each of the others makes one of its own. Every image is there.
    """
    rng = np.random.default_rng(0)
    classes = [*HOSTILE_LABELS, *(f"class {n:04d}" for n in range(1_000 - len(HOSTILE_LABELS)))]
    names = [f"{n:04d}.png" for n in range(1_200)]
    root.mkdir(parents=True)
    rows = []
    for n, name in enumerate(names):
        colours = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        colours.resize((48, 48), Image.Resampling.BICUBIC).save(root / name)
        rows.append({**_row(root, name), "label": classes[n % 1_000] if n < 1_000 else classes[5]})
    result = run.create(folder)
    result.update_info({"root": str(root)})
    result.write(tables.DATASET, pd.DataFrame(rows))
    result.write(tables.FEATURES, _features(pd.Series(names)))
    result.write(tables.CLUSTERS, tables.empty(tables.CLUSTERS))
    result.write(tables.SPLIT_TABLE, tables.frame(tables.SPLIT_TABLE, image_id=names, split="train"))
    flagged = [*range(10), *range(1_000, 1_200), *range(10, 200)]
    issues = [
        _issue(
            "mislabeled",
            names[n],
            1 - place / 1_000,
            "relabel",
            f"Labelled {rows[n]['label']}, likely {classes[n % 1_000 + 1] if n < 1_000 else classes[6]}.",
            label=classes[n % 1_000 + 1] if n < 1_000 else classes[6],
        )
        for place, n in enumerate(flagged)
    ]
    result.write(tables.ISSUES, pd.DataFrame(issues, columns=tables.ISSUES.names))
    vectors = rng.standard_normal((len(names), 16)).astype(np.float32)
    tables.write_vectors(result.embeddings, {"image_id": names}, "embedding", vectors)
    write_map(result, names)
    return result


def write_map(made: run.Run, names: list[str]) -> None:
    """A map of the run's embeddings, images side by side in their order, so that nothing has to work one out."""
    line = np.linspace(0, 1, len(names), dtype=np.float32)
    places = np.column_stack([line, np.abs(line - 0.5)])
    saved_map.write(made.embedding_map, pd.Series(names), places, embeddings=made.embeddings, method="a line", seed=0)


def _write(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    picture = coarse.resize((96, 72), Image.Resampling.BICUBIC)
    if path.suffix == ".tif":
        Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 200).save(path)
    elif path.name == "print.jpg":
        picture.convert("CMYK").save(path)
    else:
        picture.save(path, "PNG" if path.suffix == ".dat" else None)


def _row(root: Path, name: str) -> dict[str, object]:
    path = root / name
    content = path.read_bytes()
    row: dict[str, object] = {
        "image_id": tables.to_image_id(name),
        "label": name.split("/")[0],
        "bytes": len(content),
        "mtime_ns": path.stat().st_mtime_ns,
        "sha256": hashlib.sha256(content).hexdigest(),
        **dict.fromkeys(("split", "group", "format", "width", "height", "mode", "read_error")),
    }
    if name == "dog/torn.jpg":
        return {**row, "read_error": "no picture"}
    with Image.open(path) as image:
        return {**row, "format": image.format, "width": image.width, "height": image.height, "mode": image.mode}


def _features(ids: pd.Series) -> pd.DataFrame:
    zeros = {c.name: [0] * len(ids) for c in tables.FEATURES.columns if c.name != "image_id" and not c.nullable}
    return tables.frame(tables.FEATURES, image_id=ids.tolist(), **zeros)


def _issue(
    check: str,
    image_id: str | None,
    score: float,
    action: str,
    evidence: str,
    *,
    label: str | None = None,
    cluster: str | None = None,
) -> tuple[object, ...]:
    return check, image_id, None, score, cluster, action, label, evidence
