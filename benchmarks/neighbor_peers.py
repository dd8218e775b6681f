"""Searches for near hashes that `benchmarks.neighbors` measures. Run as a file, by the interpreter of any environment
that holds the peer.

    python benchmarks/neighbor_peers.py ours|faiss|numpy FOLDER [--radius 8] [--limit 0]

reads `hashes.npy` and `rows.npy` in the folder, writes the pairs beside them, and prints one line of JSON: the seconds
of the search (imports and reading the hashes apart), the peak memory of the process in MB, and how many pairs it found.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]

#: Rows that faiss is asked for at a time.
_BLOCK = 2_000


def ours(hashes: Hashes, radius: int, rows: Pairs, limit: int | None) -> Pairs:
    """Pairs (i, j, distance) by `hamming_pairs`; of `rows` only, but all of them are searched."""
    from imageclinic.audit.copies.candidate_pairs import hamming_pairs

    found = hamming_pairs(hashes, radius, limit=limit)
    return np.stack([found.i, found.j, found.distance], axis=1)


def numpy(hashes: Hashes, radius: int, rows: Pairs, limit: int | None) -> Pairs:
    """All with all, in blocks that fit the cache."""
    parts = []
    for at in range(0, len(rows), 64):
        one = rows[at : at + 64]
        for start in range(0, len(hashes), 65536):
            block = hashes[start : start + 65536]
            if len(rows) == len(hashes) and start + len(block) <= at:
                continue
            forth = np.bitwise_count(hashes[one, 0][:, None, None] ^ block[None]).min(axis=2)
            back = np.bitwise_count(block[None, :, :1] ^ hashes[one][:, None]).min(axis=2)
            after = one[:, None] < start + np.arange(len(block))
            distance = np.where(after, forth, back)
            i, j = np.nonzero((distance <= radius) & (one[:, None] != start + np.arange(len(block))))
            parts.append(np.stack([one[i], start + j, distance[i, j]], axis=1))
    return ordered(np.concatenate(parts))


def faiss(hashes: Hashes, radius: int, rows: Pairs, limit: int | None) -> Pairs:
    """faiss's exhaustive search, one index per orientation."""
    import faiss as library

    n, orientations = hashes.shape
    whole = len(rows) == n

    def code(values: Hashes) -> npt.NDArray[np.uint8]:
        return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), 8)

    parts = []
    for o in range(orientations):
        # Which of a pair is turned depends on which comes first, so a sample of rows is searched both ways.
        ways = [(0, o, False)] if whole or o == 0 else [(0, o, False), (o, 0, True)]
        for asked, held, back in ways:
            index = library.IndexBinaryFlat(64)
            index.add(code(hashes[:, held]))
            for at in range(0, len(rows), _BLOCK):
                one = rows[at : at + _BLOCK]
                ends, distance, found = index.range_search(code(hashes[one, asked]), radius + 1)
                i = np.repeat(one, np.diff(ends.astype(np.int64)))
                right = (found < i) if back else (found > i) if whole or o else (found != i)
                parts.append(np.stack([i, found, distance.astype(np.int64)], axis=1)[right])
    return ordered(np.concatenate(parts))


def ordered(pairs: Pairs) -> Pairs:
    """Pairs i < j, ordered, each once with its least distance."""
    pairs = np.column_stack([pairs[:, :2].min(axis=1), pairs[:, :2].max(axis=1), pairs[:, 2]])
    pairs = pairs[np.lexsort((pairs[:, 2], pairs[:, 1], pairs[:, 0]))]
    first = np.ones(len(pairs), dtype=bool)
    first[1:] = (np.diff(pairs[:, :2], axis=0) != 0).any(axis=1)
    return pairs[first]


PEERS: dict[str, Callable[[Hashes, int, Pairs, int | None], Pairs]] = {"ours": ours, "faiss": faiss, "numpy": numpy}


def work(name: str, folder: Path, radius: int, limit: int | None) -> None:
    """One search, in this process: reads and writes files in `folder`, prints seconds and peak memory as JSON."""
    hashes, rows = np.load(folder / "hashes.npy"), np.load(folder / "rows.npy")
    if name == "faiss":
        import faiss as _  # noqa: F401
    elif name == "ours":
        import imageclinic.audit.copies.candidate_pairs  # noqa: F401
    start = time.perf_counter()
    pairs = PEERS[name](hashes, radius, rows, limit)
    seconds = time.perf_counter() - start
    np.save(folder / f"{name}.npy", pairs)
    print(json.dumps({"seconds": seconds, "memory": peak(), "pairs": len(pairs)}))


def peak() -> float:
    """Peak memory of this process in MB. (`getrusage` would count what its parent held when it was forked.)"""
    status = Path("/proc/self/status").read_text("ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def main(argv: Sequence[str] | None = None) -> int:
    """One search, see this module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(PEERS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--radius", type=int, default=8)
    parser.add_argument("--limit", type=int, default=0, help="pairs that ours keeps of a crowd; 0: all")
    given = parser.parse_args(argv)
    work(given.name, given.folder, given.radius, given.limit or None)
    return 0


if __name__ == "__main__":
    main()
