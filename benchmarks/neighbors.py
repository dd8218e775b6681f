"""The search for near hashes: seconds, memory and exactness, against an exhaustive search.

    python -m benchmarks.neighbors N [--radius 8] [--orientations 1|8] [--hashes random|crowd|RUN] [--peer faiss|numpy]
                                     [--peer-rows ROWS] [--repeats 3] [--growth] [--seed 0]

Ours (`audit.copies.candidate_pairs.hamming_pairs`) and the peer take turns on the same N 64-bit hashes, each as a
process of its own; seconds are those of the search (imports and reading the hashes apart), memory is the peak of the
process, ratios are medians over the rounds, with the smallest and the largest. Both use all cores that they know how to
use. The peer is faiss's IndexBinaryFlat (`range_search`, in an environment of its own that uv makes) or numpy, which
compares all with all. `--peer-rows` searches only so many of the rows, drawn at random, and extrapolates the peer's
seconds: a note says where that was done, and the pairs of these rows are compared instead of all.

Hashes: `random`; `crowd`, random ones but for 5,000 equal and 5,000 nearly equal ones (up to six bits changed), which
is what blank pages look like, the rest in pairs that are eight bits apart; or a run folder, whose perceptual hashes
are taken as they are, and where there are fewer than N, are repeated with ten random bits changed in each. Exact
means: the same pairs at the same distances. Of a crowd, ours keeps a bounded number of pairs: exact then means that it
has every pair outside of the crowd, and none that the peer does not have.

--growth times ours alone at N/10, N/5, N/2 and N, and prints the exponent of the growth from the first to the last.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import neighbor_peers
from benchmarks.neighbor_peers import Hashes

FAISS = "faiss-cpu==1.15.0"
#: Equal and nearly equal hashes of a crowd.
EQUAL = NEARLY = 5_000
FLIPS = 10


def draw(kind: str, n: int, orientations: int, seed: int) -> tuple[Hashes, str]:
    """Hashes uint64 (n, orientations), and what they are."""
    rng = np.random.default_rng(seed)
    if kind not in ("random", "crowd"):
        return _real(Path(kind), n, orientations, rng)
    hashes = rng.integers(0, 2**64, (n, orientations), dtype=np.uint64)
    if kind == "random":
        return hashes, "random"
    crowd = min(EQUAL + NEARLY, n)
    hashes[:crowd] = hashes[0]
    nearly = hashes[min(EQUAL, n) : crowd]
    for _ in range(6):
        nearly ^= (rng.random(nearly.shape) < 0.5).astype(np.uint64) << rng.integers(0, 64, nearly.shape, np.uint64)
    rest = hashes[crowd:]
    half = len(rest) // 2
    rest[:half] = rest[len(rest) - half :] ^ np.uint64(0xFF)
    what = f"{min(EQUAL, n):,} equal, {len(nearly):,} nearly equal, of the rest {half:,} random pairs 8 bits apart"
    return hashes, what


def _real(run: Path, n: int, orientations: int, rng: np.random.Generator) -> tuple[Hashes, str]:
    from imageclinic.core import tables

    names = [f"phash_{o}" for o in tables.ORIENTATIONS[:orientations]]
    known = tables.read(run / tables.FEATURES.file, tables.FEATURES)[names].to_numpy(np.uint64)
    hashes = known[np.arange(n) % len(known)]
    again = np.arange(n) >= len(known)
    for _ in range(FLIPS):
        hashes[again] ^= np.uint64(1) << rng.integers(0, 64, (again.sum(), orientations), np.uint64)
    return hashes, f"{min(n, len(known)):,} of {run}, {again.sum():,} repeated with {FLIPS} bits changed"


def measure(name: str, folder: Path, radius: int, limit: int | None) -> dict[str, Any]:
    """One search in a process of its own."""
    python: list[str] = [sys.executable]
    if name == "faiss":
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        python = [
            "uv",
            "run",
            "--quiet",
            "--no-project",
            "--python",
            version,
            "--with",
            FAISS,
            "--with",
            "numpy",
            "python",
        ]
    command = [*python, neighbor_peers.__file__, name, str(folder), "--radius", str(radius), "--limit", str(limit or 0)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: status {done.returncode}\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def exact(folder: Path, peer: str, n: int, limit: int | None) -> str:
    """Whether both found the same, in words."""
    found, want, rows = (np.load(folder / f"{name}.npy") for name in ("ours", peer, "rows"))
    if len(rows) < n:
        inside = np.zeros(n, dtype=bool)
        inside[rows] = True
        found = found[inside[found[:, 0]] | inside[found[:, 1]]]
    if limit is None:
        return "the same pairs" if np.array_equal(found, want) else f"DIFFERENT: {len(found):,} and {len(want):,} pairs"
    crowd = min(EQUAL + NEARLY, n)
    key = n * found[:, 0] + found[:, 1]
    extra = ~np.isin(key, n * want[:, 0] + want[:, 1])
    outside = want[want[:, 0] >= crowd]
    lost = ~np.isin(n * outside[:, 0] + outside[:, 1], key)
    if extra.any() or lost.any():
        return (
            f"DIFFERENT: {extra.sum():,} pairs too many, {lost.sum():,} of {len(outside):,} outside of the crowd lost"
        )
    return f"{len(found):,} of {len(want):,} pairs, and all {len(outside):,} outside of the crowd"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 when the pairs differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n", type=int, help="number of hashes")
    parser.add_argument("--radius", type=int, default=8)
    parser.add_argument("--orientations", type=int, default=1, choices=(1, 8))
    parser.add_argument("--hashes", default="random", help="random, crowd, or a run folder")
    parser.add_argument("--peer", default="faiss", choices=("faiss", "numpy"))
    parser.add_argument("--peer-rows", type=int, help="rows that the peer searches; default all")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="imageclinic-neighbors-") as scratch:
        return growth(given, Path(scratch)) if given.growth else against(given, Path(scratch))


def prepare(given: argparse.Namespace, n: int, folder: Path) -> tuple[str, int | None]:
    """Write the hashes and the rows that the peer searches; says what they are, and gives the limit for ours."""
    from imageclinic.audit.copies.find_copies import CANDIDATES, CANDIDATES_EACH

    hashes, what = draw(given.hashes, n, given.orientations, given.seed)
    rows = np.arange(n)
    if given.peer_rows and given.peer_rows < n:
        rows = np.sort(np.random.default_rng(given.seed).choice(n, given.peer_rows, replace=False))
    np.save(folder / "hashes.npy", hashes)
    np.save(folder / "rows.npy", rows)
    print(f"{n:,} hashes ({what}), {given.orientations} orientation(s), radius {given.radius}")
    return what, CANDIDATES + CANDIDATES_EACH * n if given.hashes == "crowd" else None


def against(given: argparse.Namespace, folder: Path) -> int:
    """Ours and the peer in turns."""
    from benchmarks.show import table

    _, limit = prepare(given, given.n, folder)
    rows = len(np.load(folder / "rows.npy"))
    if given.peer == "faiss":
        # So that no round pays for the environment.
        measure_small(folder, given)
    rounds = [
        {name: measure(name, folder, given.radius, limit) for name in ("ours", given.peer)}
        for _ in range(given.repeats)
    ]
    stretch = given.n / rows
    note = "" if rows == given.n else f", {rows:,} rows × {stretch:.1f}: extrapolated"
    lines = [
        (
            name + (note if name != "ours" else ""),
            f"{median(r[name]['seconds'] for r in rounds) * (1 if name == 'ours' else stretch):.2f}",
            f"{max(r[name]['memory'] for r in rounds):,.0f}",
            f"{rounds[0][name]['pairs']:,}",
        )
        for name in ("ours", given.peer)
    ]
    print(table(("", "seconds (median)", "peak MB", "pairs"), lines))
    ratios = [r[given.peer]["seconds"] * stretch / r["ours"]["seconds"] for r in rounds]
    print(f"ours is {median(ratios):.1f} times as fast ({min(ratios):.1f} to {max(ratios):.1f}, {len(ratios)} rounds)")
    verdict = exact(folder, given.peer, given.n, limit)
    print(f"pairs{'' if rows == given.n else ' of these rows'}: {verdict}")
    return int(verdict.startswith("DIFFERENT"))


def measure_small(folder: Path, given: argparse.Namespace) -> None:
    """Run the peer on a handful of hashes."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        small = Path(name)
        np.save(small / "hashes.npy", np.load(folder / "hashes.npy", mmap_mode="r")[:10])
        np.save(small / "rows.npy", np.arange(10))
        measure(given.peer, small, given.radius, None)


def growth(given: argparse.Namespace, folder: Path) -> int:
    """Ours alone at growing numbers."""
    from benchmarks.show import table

    lines, seconds = [], []
    sizes = [given.n // 10, given.n // 5, given.n // 2, given.n]
    for n in sizes:
        _, limit = prepare(given, n, folder)
        runs = [measure("ours", folder, given.radius, limit) for _ in range(given.repeats)]
        seconds.append(median(r["seconds"] for r in runs))
        lines.append(
            (f"{n:,}", f"{seconds[-1]:.2f}", f"{max(r['memory'] for r in runs):,.0f}", f"{runs[0]['pairs']:,}")
        )
    print(table(("hashes", "seconds (median)", "peak MB", "pairs"), lines))
    exponent = math.log(seconds[-1] / seconds[0]) / math.log(sizes[-1] / sizes[0])
    print(f"seconds grow with the {exponent:.2f}th power of the number of hashes (all with all: 2)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
