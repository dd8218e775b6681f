"""Predictions of many images by heads of a sample, the heads' fit, and outliers: Ray against the local engine, with one
worker and two, and memory.

    python -m benchmarks.predictions FOLDER [--rows 10000] [--many 600000 1200000] [--fit 3000 6000] [--width 256]
                                     [--work predict fit outliers]

All features and models are drawn, with ten classes: what is measured is the work, not what is found. FOLDER is for
them, on a disk with room (`--many` rows of `--width` numbers of 4 bytes). All runs are processes of their own, in
turn: `--rows` rows by the local engine and by Ray (started on this machine) with one worker and with two, for each of
`--work`, and the prediction of a single row, which is the fixed cost. All go to the workers here, however few.
*Processor* is what a process and all of its children used, sampled five times a second, less the fixed cost. Then
`--many` rows by the local engine, whose memory (without mapped files) should grow by the result alone, ten numbers a
row. Last, heads are fitted to samples of `--fit` rows. The results of all runs of the same work and rows have to be the
same, byte by byte: their hashes are printed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import psutil
import pyarrow as pa

from benchmarks.engines import tree
from benchmarks.show import table
from imageclinic.audit.checks import outlier
from imageclinic.core import engines, tables
from imageclinic.core.engines import piece_map
from imageclinic.core.engines.engine import Engine
from imageclinic.core.large.large_arrays import rows_at_once
from imageclinic.core.reading import parquet_files
from imageclinic.training.predict.by_sample import fold_model, predicted_parts, sampled_heads

HEADER = ("what", "engine", "workers", "rows", "seconds", "processor, s", "MB in memory", "result")
FOLDS, REPEATS, COMPONENTS, CLASSES = 5, 3, 256, 10
_SAMPLING = 0.2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--many", type=int, nargs="*", default=[600_000, 1_200_000])
    parser.add_argument("--fit", type=int, nargs="*", default=[3000, 6000])
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--work", nargs="*", choices=WORK, default=["predict"])
    given = parser.parse_args()
    rows = []

    def add(what: str, engine: str, workers: int, count: int, fixed: float = 0.0) -> float:
        found = measured(given.folder, what, engine, workers, count, given.width)
        used = found["processor"] - fixed
        seconds = f"{found['seconds']:.1f}"
        rows.append((what, engine, workers, count, seconds, f"{used:.1f}", found["memory"] >> 20, found["digest"]))
        print(json.dumps(rows[-1]), flush=True)
        return float(used)

    for name in ("local", "ray"):
        fixed = add("predict", name, 1, 1)
        for what in given.work:
            for workers in (1, 2):
                add(what, name, workers, given.rows, fixed)
    for count in given.many:
        add("predict", "local", 1, count)
    for count in given.fit:
        add("fit", "local", 1, count)
    print(table(HEADER, rows), flush=True)


def measured(folder: Path, what: str, engine: str, workers: int, count: int, width: int) -> dict[str, Any]:
    """One run: what it reports, and seconds of ``processor`` and the most bytes of ``memory``, of all its processes."""
    prepare(folder, count, width)
    command = [
        sys.executable,
        "-m",
        "benchmarks.predictions",
        f"--{what}",
        engine,
        str(workers),
        str(count),
        str(folder),
    ]
    used: dict[int, float] = {}
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            now = 0
            for child in tree(process.pid):
                with contextlib.suppress(psutil.Error):
                    times, memory = child.cpu_times(), child.memory_info()
                    used[child.pid] = times.user + times.system
                    now += memory.rss - memory.shared
            peak = max(peak, now)
            time.sleep(_SAMPLING)
        assert process.stdout is not None
        if process.returncode:
            raise RuntimeError(f"{what} of {count} rows by {engine} failed")
        return {**json.loads(process.stdout.read()), "processor": sum(used.values()), "memory": peak}


def prepare(folder: Path, count: int, width: int) -> None:
    """Embeddings of so many rows, and a model, in `folder`; embeddings that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    components = min(COMPONENTS, width)
    shapes = {
        "mean": (width,),
        "turn": (width, components),
        "kernels": (2, REPEATS, FOLDS, components, CLASSES),
        "biases": (2, REPEATS, FOLDS, CLASSES),
        "shift": (CLASSES,),
    }
    drawn = {name: rng.normal(scale=1 / 16, size=shape).astype(np.float32) for name, shape in shapes.items()}
    shares = np.full(2, 0.5, np.float32)
    model = fold_model.FoldModel(**drawn, temperatures=np.ones(2, np.float32), shares=shares)
    fold_model.write(folder / "model.npz", model)
    file = folder / f"{count}.parquet"
    if not file.exists():
        schema = pa.schema([("embedding", pa.list_(pa.float32(), width))])
        with parquet_files.arrow_writer(file, schema, {}) as writer:
            for piece in pieces(count, width):
                lists = pa.FixedSizeListArray.from_arrays(pa.array(piece.ravel()), width)
                writer.write_table(pa.table([lists], schema=schema))


def pieces(count: int, width: int) -> Iterator[npt.NDArray[np.float32]]:
    """Rows, drawn; the first eight numbers tell the class, as `labels_and_folds` draws it, apart."""
    rng, labels = np.random.default_rng(1), labels_and_folds(count)[0]
    size = rows_at_once(width, np.float32)
    for at in range(0, count, size):
        given = labels[at : at + size]
        rows = rng.standard_normal((len(given), width), np.float32)
        rows[:, :8] += 2 * np.stack([given >> bit & 1 for bit in range(8)], axis=1)
        yield rows


def labels_and_folds(count: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Drawn."""
    rng = np.random.default_rng(2)
    return rng.integers(0, CLASSES, count, np.int32), rng.integers(0, FOLDS, (REPEATS, count), np.int32)


def one(what: str, name: str, workers: int, count: int, folder: Path) -> None:
    """Do one work, and print seconds and a hash of its result, as JSON."""
    if name == "local":  # whose workers are as many as there are cores
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:workers])
    piece_map.LEAST = 0
    parts = folder / f"parts-{what}-{name}-{workers}-{count}"
    shutil.rmtree(parts, ignore_errors=True)
    with engines.opened(name, None, workers if name == "ray" else None) as engine:
        start = time.perf_counter()
        result = WORK[what](engine, folder, count, parts)
        seconds = time.perf_counter() - start
    shutil.rmtree(parts, ignore_errors=True)
    print(json.dumps({"seconds": seconds, "digest": hashlib.sha256(result).hexdigest()[:8]}))


def predicted(engine: Engine, folder: Path, count: int, parts: Path) -> bytes:
    """The probabilities of so many rows."""
    rows, folds = np.arange(count), labels_and_folds(count)[1]
    model, file = folder / "model.npz", folder / f"{count}.parquet"
    return predicted_parts.predict(engine, model, file, rows, folds, parts).tobytes()


def fitted(engine: Engine, folder: Path, count: int, parts: Path) -> bytes:
    """The kernels of heads that are fitted to so many rows as to a sample."""
    labels, folds = labels_and_folds(count)
    vectors = parquet_files.read_vectors(folder / f"{count}.parquet", "embedding")[1]
    where = piece_map.piece_map_on(engine, parts)
    every = np.ones(count, bool)
    found = sampled_heads.fit(vectors, np.arange(count), labels, folds[:1], every, piece_map=where)
    return found.model.kernels.tobytes()


def outliers(engine: Engine, folder: Path, count: int, parts: Path) -> bytes:
    """The findings of `outlier` among so many rows; by their classes, for each row has one."""
    vectors = parquet_files.read_vectors(folder / f"{count}.parquet", "embedding")[1]
    ids = pd.Series(np.char.zfill(np.arange(count).astype(str), 9), dtype="str")
    dataset = pd.DataFrame({"image_id": ids, "label": labels_and_folds(count)[0].astype(str)})
    found = outlier.find(dataset, tables.Embeddings(ids, vectors), piece_map.piece_map_on(engine, parts))
    return found.to_csv().encode()


#: What is measured, by name.
WORK = {"predict": predicted, "fit": fitted, "outliers": outliers}


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].removeprefix("--") in WORK and len(sys.argv) == 6:
        one(sys.argv[1].removeprefix("--"), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
    else:
        main()
