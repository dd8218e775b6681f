"""Recall per kind of altered copy: ours against `imagehash.phash` alone, at equal precision.

    python -m benchmarks.copies DIR [--images 3000] [--copies 100] [--boxes FILE.csv] [--seed 0]

Draws originals from DIR (byte-identical files once), makes altered copies of some of them (each original has at most
one), and puts all of them in one folder. Ours is `imageclinic audit` on it (`neighbors.parquet`), with a check that
embeds the images and without; imagehash calls two files copies when their hashes differ in at most r bits. A pair that
was planted is right. Two pictures cut from one photograph whose boxes (`--boxes`, as benchmarks.photos writes it;
DIR.csv is used where it is there) share at least half of what they cover are as good as copies, and count neither way;
every other pair is wrong. Without boxes, copies that the originals hold of themselves count as wrong for both, so
precision is then a lower bound.

imagehash gets the radius of highest recall among those whose precision is at least ours, or, where none has it, the
one of highest precision. Shares with 95 % Wilson intervals.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.alterations import ALTERATIONS
from benchmarks.peers import PER_FILE, map_files
from benchmarks.show import share, table
from benchmarks.timed_process import timed
from imageclinic.audit.scan import worker_pool
from imageclinic.core.formats import SUFFIXES

Ints = npt.NDArray[np.int64]
#: Checks for which an audit looks for copies, and embeds nothing.
_BY_HASHES = "exact_duplicate,near_duplicate"
#: Boxes of one photograph that share more than this of their union show the same.
OVERLAP = 0.5
#: Largest radius that is tried for imagehash; its users take up to 10.
MAX_RADIUS = 16
#: What pairs are: planted copies, crops that mostly show the same, that share less, and strangers.
PLANTED, SAME_SCENE, SHARED, STRANGERS = range(4)


@dataclass(frozen=True)
class Planted:
    """A folder of originals and altered copies, in the order of `paths`.

    `original` is the number of the original that each file is, or is made from; `alteration` is "" for an original.
    """

    paths: list[Path]
    original: Ints
    alteration: list[str]


def plant(originals: list[Path], folder: Path, copies: int, seed: int = 0) -> Planted:
    """Write originals, and up to `copies` altered copies of each kind, to `folder`.

    Args:
        originals: image files; no two of the same content.
        folder: an empty folder.
        copies: copies of each kind; fewer when there are not enough originals to have one each.
        seed: of which originals are copied, and of where crops and logos lie.
    """
    paths, number, alteration = [], [], []
    (folder / "originals").mkdir()
    for at, source in enumerate(originals):
        paths.append(folder / "originals" / f"{at:06d}{source.suffix.lower()}")
        shutil.copyfile(source, paths[-1])
        number.append(at)
        alteration.append("")
    order = np.random.default_rng(seed).permutation(len(originals))
    each = min(copies, len(originals) // len(ALTERATIONS))
    for kind, (name, (alter, quality)) in enumerate(ALTERATIONS.items()):
        (folder / f"copies-{kind:02d}").mkdir()
        for at in order[kind * each : (kind + 1) * each]:
            with Image.open(originals[at]) as image:
                picture = alter(image.convert("RGB"), np.random.default_rng([seed, int(at)]))
            paths.append(folder / f"copies-{kind:02d}" / f"{at:06d}.jpg")
            picture.save(paths[-1], "JPEG", quality=quality)
            number.append(int(at))
            alteration.append(name)
    return Planted(paths, np.array(number, dtype=np.int64), alteration)


def draw(folder: Path, n: int, seed: int = 0) -> list[Path]:
    """Up to n images of a folder, no two of the same bytes."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    chosen: dict[bytes, Path] = {}
    for at in np.random.default_rng(seed).permutation(len(paths)):
        chosen.setdefault(hashlib.sha256(paths[at].read_bytes()).digest(), paths[at])
        if len(chosen) == n:
            break
    return list(chosen.values())


def found_by_ours(folder: Path, planted: Planted, checks: str) -> tuple[Ints, list[str]]:
    """Pairs (n, 2) of positions in `planted.paths` that our audit finds, the lower first, and the audit's notes."""
    position = {path.relative_to(folder).as_posix(): at for at, path in enumerate(planted.paths)}
    program = Path(sys.executable).with_name("imageclinic")
    with tempfile.TemporaryDirectory() as out:
        run = Path(out) / "run"
        timed([program, "audit", folder, "--out", run, "--checks", checks])
        rows = pq.read_table(run / "neighbors.parquet", columns=["image_id", "other_id"]).to_pydict()
        notes = json.loads((run / "run.json").read_text(encoding="utf-8"))["notes"]
    ends = [[position[i] for i in rows[name]] for name in ("image_id", "other_id")]
    return np.sort(np.array(ends, dtype=np.int64).reshape(2, -1).T, axis=1), notes


def found_by_imagehash(planted: Planted) -> tuple[Ints, Ints]:
    """Pairs (n, 2) within `MAX_RADIUS` bits, the lower first, and their distances (n,)."""
    work, modules, _ = PER_FILE["imagehash"]
    hashes = np.array(map_files(work, planted.paths, worker_pool.available(), modules), dtype=np.uint64)
    return pairs_within(hashes, MAX_RADIUS)


def pairs_within(hashes: npt.NDArray[np.uint64], radius: int) -> tuple[Ints, Ints]:
    """All pairs (n, 2) of hashes at most `radius` bits apart, the lower first, and their distances (n,)."""
    pairs, distances = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
    for at in range(len(hashes) - 1):
        apart = np.bitwise_count(hashes[at + 1 :] ^ hashes[at])
        near = np.flatnonzero(apart <= radius)
        pairs.append(np.column_stack([np.full(len(near), at), near + at + 1]))
        distances.append(apart[near].astype(np.int64))
    return np.concatenate(pairs), np.concatenate(distances)


def judged(pairs: Ints, planted: Planted, boxes: pd.DataFrame | None) -> Ints:
    """What each pair is: PLANTED, SAME_SCENE, SHARED or STRANGERS.

    Args:
        pairs: (n, 2) positions in `planted.paths`.
        planted: the folder.
        boxes: source, left, top, right, bottom of each original, by its number; None where that is not known.
    """
    one, two = planted.original[pairs[:, 0]], planted.original[pairs[:, 1]]
    if boxes is None:
        return np.where(one == two, PLANTED, STRANGERS)
    source = pd.factorize(boxes["source"])[0]
    left, top, right, bottom = boxes[["left", "top", "right", "bottom"]].to_numpy(np.float64).T
    width = np.minimum(right[one], right[two]) - np.maximum(left[one], left[two])
    height = np.minimum(bottom[one], bottom[two]) - np.maximum(top[one], top[two])
    common = np.maximum(width, 0) * np.maximum(height, 0) * (source[one] == source[two])
    area = (right - left) * (bottom - top)
    overlap = common / (area[one] + area[two] - common)
    return np.select([one == two, overlap >= OVERLAP, overlap > 0], [PLANTED, SAME_SCENE, SHARED], STRANGERS)


def right_and_wrong(kinds: Ints) -> tuple[int, int]:
    """Numbers of right and of wrong pairs."""
    return int((kinds == PLANTED).sum()), int((kinds >= SHARED).sum())


def equal_precision(kinds: Ints, distances: Ints, precision: float) -> tuple[int, bool]:
    """imagehash's radius of highest recall among those of at least this precision, and whether there is one.

    Recall grows with the radius, so that is the largest one; where there is none, the one of highest precision.
    """
    reached = []
    for radius in range(MAX_RADIUS + 1):
        right, wrong = right_and_wrong(kinds[distances <= radius])
        reached.append(right / (right + wrong) if right + wrong else 0.0)
    good = [radius for radius, value in enumerate(reached) if value >= precision]
    return (max(good), True) if good else (int(np.argmax(reached)), False)


def compare(originals: list[Path], boxes: pd.DataFrame | None, copies: int, seed: int = 0) -> str:
    """Plant, search and judge; the table as text."""
    with tempfile.TemporaryDirectory() as scratch:
        planted = plant(originals, Path(scratch), copies, seed)
        ours, notes = found_by_ours(Path(scratch), planted, f"{_BY_HASHES},outlier")  # which needs embeddings
        hashes, _ = found_by_ours(Path(scratch), planted, _BY_HASHES)
        theirs, distances = found_by_imagehash(planted)
    kinds, their_kinds = judged(ours, planted, boxes), judged(theirs, planted, boxes)
    right, wrong = right_and_wrong(kinds)
    radius, equal = equal_precision(their_kinds, distances, right / (right + wrong) if right else 1.0)
    within = distances <= radius
    columns = {
        "ours": (ours, kinds),
        "ours, by hashes alone": (hashes, judged(hashes, planted, boxes)),
        f"imagehash, r = {radius}": (theirs[within], their_kinds[within]),
    }
    rows: list[tuple[str, ...]] = []
    alteration = np.array(planted.alteration)
    for name in ALTERATIONS:
        n = int((alteration == name).sum())
        hits = [int((alteration[pairs[k == PLANTED, 1]] == name).sum()) for pairs, k in columns.values()]
        rows.append((name, *(share(found, n) for found in hits)))
    n = int((alteration != "").sum())
    rows.append(("all copies", *(share(right_and_wrong(k)[0], n) for _, k in columns.values())))
    rows.append(("precision", *(share(r, r + w) for r, w in (right_and_wrong(k) for _, k in columns.values()))))
    rows.append(("wrong: crops that share less", *(f"{(k == SHARED).sum():,}" for _, k in columns.values())))
    rows.append(("wrong: strangers", *(f"{(k == STRANGERS).sum():,}" for _, k in columns.values())))
    rows.append(("left out: same scene", *(f"{(k == SAME_SCENE).sum():,}" for _, k in columns.values())))
    lines = [f"{len(originals):,} originals and {n:,} altered copies", table(("recall", *columns), rows)]
    if not equal:
        lines.append(f"imagehash reaches our precision at no radius up to {MAX_RADIUS}: shown at its highest")
    lines += [f"the audit's note: {note}" for note in notes]
    return "\n".join(lines)


def read_boxes(path: Path, folder: Path, originals: list[Path]) -> pd.DataFrame:
    """Rows of a table of `benchmarks.photos`, in the order of `originals`. Raises KeyError when one is missing."""
    rows = pd.read_csv(path).set_index("path")
    return rows.loc[[original.relative_to(folder).as_posix() for original in originals]].reset_index()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--images", type=int, default=3000, help="originals")
    parser.add_argument("--copies", type=int, default=100, help="copies of each kind")
    parser.add_argument("--boxes", type=Path, help="which part of which photograph each file shows")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    originals = draw(options.dir, options.images, options.seed)
    beside = options.dir.parent / f"{options.dir.name}.csv"
    path = options.boxes or (beside if beside.is_file() else None)
    boxes = None if path is None else read_boxes(path, options.dir, originals)
    print(compare(originals, boxes, options.copies, options.seed))


if __name__ == "__main__":
    main()
