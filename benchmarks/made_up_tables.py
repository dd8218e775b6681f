"""The tables of a scan of images that do not exist, for `benchmarks.memory`.

One in 50 is a byte-identical copy of another, one in 100 a near copy (its hash differs by a few bits, its thumbnail by
noise), one in 20 belongs to a group (a person, a camera), one in 1,000 can't be read; brightness, sharpness, sizes and
hashes are drawn at random.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from imageclinic.audit.copies import clusters
from imageclinic.core import tables
from imageclinic.core.run import Run
from imageclinic.workflows.steps.copies_key import copies_key

_CHUNK = 50_000
_SHARES = (0.8, 0.1, 0.1)
SIDE = 32


def make(run: Run, n: int, labels: int, seed: int, *, thumbnails: bool = True) -> None:
    """Write the tables of a scan, in pieces: the texts of ten million images take gigabytes."""
    rng = np.random.default_rng(seed)
    names = [f"class-{k:04d}" for k in range(labels)]
    classes = [names[k * labels // n] for k in range(n)]
    unread = rng.random(n) < 0.001
    origin = np.arange(n)
    same = rng.choice(n, n // 50, replace=False)
    origin[same] = (same + labels * (1 + rng.integers(0, 50, len(same)))) % n
    content = rng.integers(0, 2**62, n)[origin]
    width, height = (np.maximum(16, rng.lognormal(6, 0.3, n)).astype(np.int64)[origin] for _ in range(2))
    grouped, person = rng.random(n) < 0.05, rng.integers(0, n // 10 + 1, n)
    size = rng.integers(5_000, 200_000, n)[origin]
    changed = rng.integers(1_600_000_000_000_000_000, 1_700_000_000_000_000_000, n)
    datasets = (
        tables.frame(
            tables.DATASET,
            image_id=_ids(at, classes),
            label=[classes[k] for k in at],
            group=_where(grouped[at], (f"person-{g}" for g in person[at])),
            bytes=size[at],
            mtime_ns=changed[at],
            sha256=[f"{c:064x}" for c in content[at]],
            format="JPEG",
            width=width[at],
            height=height[at],
            mode="RGB",
            read_error=_where(unread[at], itertools.repeat("truncated: premature end of JPEG file")),
        )
        for at in _pieces(np.arange(n))
    )
    tables.write_pieces(run.table_path(tables.DATASET), datasets, tables.DATASET)
    hashes, near = _hashes(rng, n, origin)
    readable = np.flatnonzero(~unread)
    drawn = {
        name: rng.random(n, dtype=np.float32)[origin]
        for name in ("luminance_mean", "luminance_p05", "luminance_p99", "contrast", "colour")
    }
    drawn["entropy"] = rng.normal(7, 0.5, n).clip(0, 8).astype(np.float32)[origin]
    drawn["sharpness"] = rng.lognormal(-3, 0.5, n).astype(np.float32)[origin]
    features = (
        tables.frame(
            tables.FEATURES,
            image_id=_ids(at, classes),
            **{f"phash_{o}": hashes[at, k] for k, o in enumerate(tables.ORIENTATIONS)},
            pixel_hash=content[at].astype(np.uint64),
            frames=np.ones(len(at), np.int64),
            **{name: values[at] for name, values in drawn.items()},
        )
        for at in _pieces(readable)
    )
    tables.write_pieces(run.table_path(tables.FEATURES), features, tables.FEATURES)
    if thumbnails:
        ids = {"image_id": _ids(readable, classes)}
        tables.write_byte_chunks(run.thumbnails, ids, "thumbnail", _thumbnails(near[origin][readable], seed), SIDE**2)


def make_copies(run: Run) -> None:
    """Write pairs, clusters and frozen splits as a search for copies would, without a search: images that share their
    flipped hash with another are copies of the first of these."""
    wanted = ["image_id", "phash_identity", "phash_flip", "pixel_hash"]
    features = pq.read_table(run.table_path(tables.FEATURES), columns=wanted)
    ids, upright, mirrored, content = (features[name] for name in wanted)
    order = np.argsort(mirrored.to_numpy(), kind="stable")
    begins = np.diff(mirrored.to_numpy()[order].astype(np.int64), prepend=-1) != 0
    other, one = order[~begins], order[np.flatnonzero(begins)[np.cumsum(begins) - 1]][~begins]
    same = content.to_numpy()[one] == content.to_numpy()[other]
    names = np.sort([ids.take(pa.array(at)).to_pylist() for at in (one, other)], axis=0).astype(object)
    pairs = tables.frame(
        tables.NEIGHBORS,
        image_id=names[0],
        other_id=names[1],
        kind=np.where(same, "bytes", "near"),
        distance=np.bitwise_count(upright.to_numpy()[one] ^ upright.to_numpy()[other]).astype(np.int64),
        transform=["identity"] * len(one),
        similarity=np.where(same, 1.0, 0.97),
    )
    made = copies_key(run, run.read(tables.DATASET, ["image_id", "sha256", "group"]))  # an export takes them for found
    run.write(tables.NEIGHBORS, pairs.sort_values(["image_id", "other_id"], ignore_index=True), made)
    del features, ids, upright, mirrored, content
    dataset = pq.read_table(run.table_path(tables.DATASET), columns=["image_id", "group"])
    grouped = dataset.filter(pc.is_valid(dataset["group"])).to_pandas()
    run.write(tables.CLUSTERS, clusters.cluster(pairs, grouped.set_index("image_id")["group"]), made)
    rng = np.random.default_rng(0)
    names = np.array(tables.SPLITS, object)
    drawn = (
        tables.frame(tables.SPLIT_TABLE, image_id=piece.to_pandas(), split=rng.choice(names, len(piece), p=_SHARES))
        for piece in dataset["image_id"].chunks
    )
    tables.write_pieces(run.table_path(tables.SPLIT_TABLE), drawn, tables.SPLIT_TABLE)


def _ids(at: npt.NDArray[np.intp], classes: list[str]) -> npt.NDArray[np.object_]:
    return np.array([f"{classes[k]}/image-{k:08d}.jpg" for k in at], dtype=object)


def _pieces(at: npt.NDArray[np.intp]) -> Iterator[npt.NDArray[np.intp]]:
    return (at[start : start + _CHUNK] for start in range(0, len(at), _CHUNK))


def _where(chosen: npt.NDArray[np.bool_], values: Iterable[str]) -> list[str | None]:
    return [value if one else None for one, value in zip(chosen.tolist(), values, strict=False)]


def _hashes(
    rng: np.random.Generator, n: int, origin: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.intp]]:
    """Perceptual hashes, and for each image the one whose thumbnail it has, more or less."""
    hashes = rng.integers(0, 2**64, (n, len(tables.ORIENTATIONS)), dtype=np.uint64)
    shown = np.arange(n)
    near = rng.choice(n, n // 100, replace=False)
    source = (near + 1 + rng.integers(0, n - 1, len(near))) % n
    shown[near] = source
    hashes[near] = hashes[source]
    for _ in range(3):
        hashes[near, 0] ^= np.uint64(1) << rng.integers(0, 64, len(near), np.uint64)
    return hashes[origin], shown


def _thumbnails(shown: npt.NDArray[np.intp], seed: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Noisy gradients, the same for the same number but for a little noise."""
    rng = np.random.default_rng(seed)
    base = rng.integers(40, 200, 2 * _CHUNK + SIDE**2, dtype=np.uint8)
    for start in range(0, len(shown), _CHUNK):
        at = shown[start : start + _CHUNK]
        rows = base[(at % (2 * _CHUNK))[:, None] + np.arange(SIDE**2)]
        yield rows + rng.integers(0, 8, rows.shape, dtype=np.uint8)
