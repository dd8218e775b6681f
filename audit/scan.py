"""One decode per image: bytes → hash, size, statistics, perceptual hashes, thumbnail. In parallel, resumable.

`measure` is a pure function from paths to rows; `scan` maps it over batches in worker processes and keeps finished
batches as shards, so that a killed scan goes on where it was.

JPEG goes through libjpeg-turbo (simplejpeg) in strict mode, scaled down while decoding: the fastest decoder at hand
and the one that notices most damage. Everything else goes through Pillow. EXIF orientation is not applied, because
Keras and TensorFlow do not apply it either: what is judged is what a model sees.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import io
import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from PIL import Image, UnidentifiedImageError

from audit import tables
from audit.run import Run
from audit.source import sniff

#: Side of the grey square that the perceptual hash is computed from, and that is kept as a thumbnail.
THUMBNAIL = 32
#: Shorter side, in pixels, that a JPEG is decoded to at least.
DECODE_SIDE = 64
#: A picture with more pixels is not decoded ("decompression bomb"); Pillow refuses at the same number.
MAX_PIXELS = 178_956_970
BATCH = 256
#: Changes when rows made by an older version must not be reused.
VERSION = "1"

Progress = Callable[[int, int], None]

# Perceived brightness, http://alienryderflex.com/hsp.html, as CleanVision uses it.
_PERCEIVED = np.array([0.241, 0.691, 0.068], dtype=np.float32)


class _Undecodable(Exception):
    """The message says what is wrong with the file."""


def measure(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Measure image files: one dict per path with the columns of the dataset and features tables that come from
    the file, and `thumbnail` (uint8, 32×32, as bytes). A file that can't be decoded has `read_error` and no
    features; nothing is raised for it."""
    return [_measure_file(path) for path in paths]


def _measure_file(path: str) -> dict[str, Any]:
    row: dict[str, Any] = {"bytes": 0, "mtime_ns": 0, "sha256": None, "read_error": None}
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            data = file.read()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        row["read_error"] = "file is missing" if missing else f"can't be read: {error.strerror}"
        return row
    row.update(bytes=len(data), mtime_ns=status.st_mtime_ns, sha256=hashlib.sha256(data).hexdigest())
    try:
        rgb = _decode(data, row)
    except _Undecodable as error:
        row["read_error"] = str(error)
        return row
    row.update(_features(rgb, row["width"], row["height"]))
    return row


def _decode(data: bytes, row: dict[str, Any]) -> npt.NDArray[np.uint8]:
    """Decode to RGB (height, width, 3), scaled down but not below DECODE_SIDE. Fills in format, width, height and
    mode as soon as they are known."""
    if not data:
        raise _Undecodable("empty file")
    if not any(data[:4096]) and not any(data):
        raise _Undecodable("not an image: zeros only")
    kind = sniff(data)
    if kind is None:
        raise _Undecodable(f"not an image: begins with {data[:8]!r}")
    row["format"] = kind
    if kind == "JPEG":
        rgb = _decode_jpeg(data, row)
        if rgb is not None:
            return rgb
    return _decode_pillow(data, row)


def _decode_jpeg(data: bytes, row: dict[str, Any]) -> npt.NDArray[np.uint8] | None:
    import simplejpeg  # here, so that the modules that only name this one load quickly

    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError) as error:  # KeyError: a colour space that it does not know
        raise _Undecodable(f"damaged header: {error}") from error
    row.update(width=width, height=height, mode={"Gray": "L", "CMYK": "CMYK", "YCCK": "CMYK"}.get(space, "RGB"))
    _check_size(width, height)
    if row["mode"] == "CMYK":
        return None  # libjpeg-turbo does not convert CMYK to RGB; Pillow does
    side = min(DECODE_SIDE, width, height)
    try:
        rgb = simplejpeg.decode_jpeg(data, "RGB", min_height=side, min_width=side, min_factor=1, strict=True)
    except ValueError as error:
        what = "truncated" if "premature" in str(error).lower() else "damaged stream"
        raise _Undecodable(f"{what}: {error}") from error
    return np.asarray(rgb)


def _decode_pillow(data: bytes, row: dict[str, Any]) -> npt.NDArray[np.uint8]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which is not what is judged here
        try:
            with Image.open(io.BytesIO(data)) as image:
                row.update(width=image.width, height=image.height, mode=image.mode, format=image.format)
                _check_size(image.width, image.height)
                image.load()
                return np.asarray(_to_rgb(image))
        except _Undecodable:
            raise
        except UnidentifiedImageError:
            raise _Undecodable("damaged header: no decoder takes it") from None
        except Image.DecompressionBombError as error:
            raise _Undecodable(f"too large: {error}") from error
        except Exception as error:  # decoders raise anything on damaged data, and one file must not stop a run
            text = str(error) or type(error).__name__
            what = "truncated" if "truncated" in text.lower() else "damaged stream"
            raise _Undecodable(f"{what}: {text}") from error


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _Undecodable(f"too large: {width}×{height} pixels; the limit is {MAX_PIXELS:,}")


def _to_rgb(image: Image.Image) -> Image.Image:
    """First frame as RGB, scaled down by whole factors; alpha over white; 16-bit and float stretched to 8 bits."""
    factor = min(image.width, image.height) // DECODE_SIDE
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image, dtype=np.float64)
        values = np.nan_to_num(values, nan=0, posinf=0, neginf=0)
        top = 65535.0 if image.mode.startswith("I") and values.max(initial=0) > 255 else 255.0
        top = 1.0 if image.mode == "F" and values.max(initial=0) <= 1 else top
        image = Image.fromarray(np.clip(values * (255 / top), 0, 255).astype(np.uint8))
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    return image.reduce(factor) if factor > 1 else image


def grey_square(rgb: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Grey picture (ITU-R 601) resampled to side × side with a Lanczos filter, as imagehash does."""
    image = Image.fromarray(rgb).convert("L").resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _features(rgb: npt.NDArray[np.uint8], width: int, height: int) -> dict[str, Any]:
    values = rgb.astype(np.float32)
    luminance = np.sqrt(np.square(values) @ _PERCEIVED) / 255
    p05, p99 = np.percentile(luminance, [5, 99])
    spread = rgb.max(axis=2).astype(np.int16) - rgb.min(axis=2)
    histogram = np.bincount(luminance_grey(rgb).ravel(), minlength=256)
    share = histogram[histogram > 0] / histogram.sum()
    thumbnail = grey_square(rgb, THUMBNAIL)
    digest = xxhash.xxh3_64(f"{width}x{height}".encode())
    digest.update(np.ascontiguousarray(rgb).data)
    return {
        **dict(zip((f"phash_{o}" for o in tables.ORIENTATIONS), phashes(thumbnail), strict=True)),
        "pixel_hash": digest.intdigest(),
        "luminance_mean": float(np.clip(luminance.mean(), 0, 1)),
        "luminance_p05": float(np.clip(p05, 0, 1)),
        "luminance_p99": float(np.clip(p99, 0, 1)),
        "contrast": float(luminance.std()),
        "entropy": float(max(0.0, -(share * np.log2(share)).sum())),
        "sharpness": sharpness(rgb),
        "colour": float(np.percentile(spread, 99) / 255),
        "thumbnail": thumbnail.tobytes(),
    }


def luminance_grey(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Grey picture (ITU-R 601), same size."""
    return np.asarray(Image.fromarray(rgb).convert("L"))


def sharpness(rgb: npt.NDArray[np.uint8]) -> float:
    """Variance of the Laplacian over the variance of the grey picture at 64 × 64 pixels.

    Dividing by the variance makes it independent of contrast: a dim picture is not a blurred one. The Laplacian's
    variance as a focus measure: Pech-Pacheco et al. (2000), "Diatom autofocusing in brightfield microscopy".
    """
    small = Image.fromarray(rgb).convert("L").resize((DECODE_SIDE, DECODE_SIDE), Image.Resampling.BICUBIC)
    grey = np.asarray(small, dtype=np.float32)
    variance = float(grey.var())
    if variance < 1:  # flat: less than one grey level of deviation holds no edge to judge
        return 0.0
    centre = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * centre
    return float(laplacian.var()) / variance


def _dct_matrix(n: int) -> npt.NDArray[np.float64]:
    k, x = np.meshgrid(np.arange(8), np.arange(n), indexing="ij")
    return 2 * np.cos(np.pi * k * (2 * x + 1) / (2 * n))


_DCT = _dct_matrix(THUMBNAIL)
_SIGN = (-1.0) ** np.arange(8)
_BITS = (np.uint64(1) << np.arange(63, -1, -1, dtype=np.uint64)).reshape(8, 8)


def phashes(grey: npt.NDArray[np.uint8]) -> list[int]:
    """The 64-bit perceptual hash (imagehash.phash) of a 32 × 32 grey picture in all eight orientations, in the
    order of `tables.ORIENTATIONS`.

    All come from one DCT: mirroring a picture changes the sign of its odd coefficients, transposing it transposes
    them. Coefficients are rounded, so that a flat picture's hash does not depend on rounding errors.
    """
    coefficients = np.round(_DCT @ grey.astype(np.float64) @ _DCT.T, 6) + 0.0
    mirrored = coefficients * _SIGN[None, :]
    hashes = []
    for start in (coefficients, mirrored):
        turned = start
        for _ in range(4):
            hashes.append(int((_BITS * (turned > np.median(turned))).sum()))
            # A quarter turn anticlockwise is a transposition followed by a mirror top to bottom.
            turned = turned.T * _SIGN[:, None]
    return hashes


def scan(
    run: Run,
    listing: pd.DataFrame,
    root: Path,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure every listed image and write the dataset, features and thumbnails tables.

    Rows of an earlier scan are reused for files of unchanged size and modification time. A batch whose worker dies
    is halved until the file that kills its worker is alone; that one is reported as unreadable.

    Args:
        run: the run folder.
        listing: image_id, label, split, group.
        root: the dataset's root.
        workers: processes; default: the cores at hand.
        progress: called with (images done, images in all).

    Returns:
        The dataset and the features table.
    """
    known = _known_rows(run, listing, root)
    todo = listing.loc[~listing["image_id"].isin(known), "image_id"].tolist()
    batches = [todo[i : i + BATCH] for i in range(0, len(todo), BATCH)]
    done = len(listing) - len(todo)
    if progress:
        progress(done, len(listing))
    rows: dict[str, dict[str, Any]] = dict(known)
    for batch, measured in _measure_batches(batches, root, workers or len(os.sched_getaffinity(0))):
        _write_shard(run, batch, measured)
        rows.update(zip(batch, measured, strict=True))
        done += len(batch)
        if progress:
            progress(done, len(listing))
    dataset, features = _write_tables(run, listing, rows)
    for shard in run.shards.glob("*.parquet"):
        shard.unlink()
    return dataset, features


def _measure_batches(
    batches: list[list[str]], root: Path, workers: int
) -> Iterator[tuple[list[str], list[dict[str, Any]]]]:
    """Yield (batch, rows) as batches finish. Spawned workers: the parent may hold TensorFlow's threads."""
    waiting = {i: [os.path.join(root, tables.to_path(x)) for x in batch] for i, batch in enumerate(batches)}  # noqa: PTH118
    while waiting:
        try:
            with _pool(min(workers, len(waiting))) as pool:
                futures = {pool.submit(measure, paths): i for i, paths in waiting.items()}
                for future in concurrent.futures.as_completed(futures):
                    i = futures[future]
                    result = future.result()
                    del waiting[i]
                    yield batches[i], result
        except BrokenProcessPool:
            i, paths = next(iter(waiting.items()))
            del waiting[i]
            yield batches[i], _measure_halves(paths)


def _measure_halves(paths: list[str]) -> list[dict[str, Any]]:
    """Measure paths of which at least one may kill its worker: halve until that one is alone."""
    try:
        with _pool(1) as pool:
            return pool.submit(measure, paths).result()
    except BrokenProcessPool:
        if len(paths) > 1:
            middle = len(paths) // 2
            return _measure_halves(paths[:middle]) + _measure_halves(paths[middle:])
    data = Path(paths[0]).read_bytes()
    return [
        {
            "bytes": len(data),
            "mtime_ns": Path(paths[0]).stat().st_mtime_ns,
            "sha256": hashlib.sha256(data).hexdigest(),
            "read_error": "crashes the decoder",
        }
    ]


def _pool(workers: int) -> concurrent.futures.ProcessPoolExecutor:
    return concurrent.futures.ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


_MEASURED = [c for c in tables.DATASET.columns if c.name not in ("image_id", "label", "split", "group")] + [
    c for c in tables.FEATURES.columns if c.name != "image_id"
]
_SHARD = pa.schema(
    [
        pa.field("image_id", pa.string()),
        *(pa.field(c.name, c.type) for c in _MEASURED),
        ("thumbnail", pa.binary()),
    ],
    metadata={"version": VERSION},
)


def _write_shard(run: Run, ids: list[str], rows: list[dict[str, Any]]) -> None:
    name = xxhash.xxh3_64_hexdigest("\0".join(ids).encode())
    data = [{"image_id": i, **row} for i, row in zip(ids, rows, strict=True)]
    with tables.replacing(run.shards / f"{name}.parquet") as temporary:
        pq.write_table(pa.Table.from_pylist(data, schema=_SHARD), temporary)


def _known_rows(run: Run, listing: pd.DataFrame, root: Path) -> dict[str, dict[str, Any]]:
    """Rows of an earlier scan whose files have the same size and modification time."""
    parts = []
    for shard in sorted(run.shards.glob("*.parquet")):
        parts.append(pq.read_table(shard))
    if run.has(tables.DATASET) and run.thumbnails.is_file():
        dataset = pq.read_table(run.table_path(tables.DATASET)).drop_columns(["label", "split", "group"])
        features = pq.read_table(run.table_path(tables.FEATURES))
        thumbs, pixels = tables.read_vectors(run.thumbnails, "thumbnail")
        pictures = pa.table(
            {
                "image_id": pa.array(thumbs["image_id"], pa.string()),
                "thumbnail": pa.array([p.tobytes() for p in pixels], pa.binary()),
            }
        )
        whole = dataset.join(features, "image_id").join(pictures, "image_id")
        version = tables.metadata(run.table_path(tables.FEATURES)).get("key")
        parts.append(whole.select(_SHARD.names).cast(_SHARD).replace_schema_metadata({"version": str(version)}))
    wanted = set(listing["image_id"])
    known: dict[str, dict[str, Any]] = {}
    for part in parts:
        if (part.schema.metadata or {}).get(b"version") != VERSION.encode():
            continue
        for row in part.to_pylist():
            image_id = row.pop("image_id")
            if image_id in wanted and _unchanged(root, image_id, row):
                known[image_id] = row
    return known


def _unchanged(root: Path, image_id: str, row: dict[str, Any]) -> bool:
    try:
        status = os.stat(os.path.join(root, tables.to_path(image_id)))  # noqa: PTH118, PTH116
    except OSError:
        return False
    return status.st_size == row["bytes"] and status.st_mtime_ns == row["mtime_ns"] and row["sha256"] is not None


def _write_tables(
    run: Run, listing: pd.DataFrame, rows: dict[str, dict[str, Any]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    measured = pd.DataFrame.from_records(
        [rows[i] for i in listing["image_id"]], columns=[*(c.name for c in _MEASURED), "thumbnail"]
    )
    whole = pd.concat([listing.reset_index(drop=True), measured], axis=1)
    dataset = tables.validate(whole, tables.DATASET)
    readable = whole[whole["read_error"].isna()].reset_index(drop=True)
    features = tables.validate(readable, tables.FEATURES)
    pixels = np.frombuffer(b"".join(readable["thumbnail"]), dtype=np.uint8).reshape(-1, THUMBNAIL**2)
    tables.write_vectors(run.thumbnails, {"image_id": readable["image_id"]}, "thumbnail", pixels)
    run.write(tables.FEATURES, features, VERSION)
    run.write(tables.DATASET, dataset)
    return dataset, features
