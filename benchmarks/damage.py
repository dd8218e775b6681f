"""Damage found per kind, and false alarms: ours against other readers.

    python -m benchmarks.damage DIR [--images 50] [--tensorflow]

Takes intact JPEGs of DIR, writes each as JPEG, PNG, WebP, GIF and TIFF, damages each in every way, and asks our audit
(`imageclinic audit --checks corrupted`), Pillow's full decode, Pillow's `verify()`, and TensorFlow's decoder which
files are bad. Shares with 95 % Wilson intervals.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.show import share, table

Random = np.random.Generator
Damage = Callable[[bytes, Random], bytes]

#: A longer side than this is not needed to see whether damage is found; the JPEGs are taken as they are.
LARGEST = 512
ENCODINGS: dict[str, dict[str, object]] = {
    "JPEG": {},
    "progressive JPEG": {"format": "JPEG", "progressive": True, "quality": 92},
    "PNG": {"format": "PNG", "compress_level": 3},
    "WebP": {"format": "WEBP", "quality": 90, "method": 2},
    "GIF": {"format": "GIF"},
    "TIFF": {"format": "TIFF"},
    "LZW TIFF": {"format": "TIFF", "compression": "tiff_lzw"},
}
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "TIFF": ".tif"}


def cut(part: float) -> Damage:
    """Keep the first `part` of the bytes."""
    return lambda data, random: data[: int(len(data) * part)]


def cut_last(n: int) -> Damage:
    """Lose the last n bytes."""
    return lambda data, random: data[:-n]


def header_only(data: bytes, random: Random) -> bytes:
    """Keep 64 bytes."""
    return data[:64]


def zero_block(data: bytes, random: Random) -> bytes:
    """Zero 512 bytes, as a lost disk sector, anywhere in the picture's data."""
    at = int(random.integers(*_body(data, 512)))
    return data[:at] + bytes(512) + data[at + 512 :]


def change(n: int) -> Damage:
    """Give n bytes, anywhere in the picture's data, other values."""

    def damage(data: bytes, random: Random) -> bytes:
        found = bytearray(data)
        start, stop = _body(data, 1)
        for at in random.choice(np.arange(start, stop), n, replace=False):
            found[at] ^= int(random.integers(1, 256))
        return bytes(found)

    return damage


DAMAGES: dict[str, Damage] = {
    "header only": header_only,
    "cut at 50 %": cut(0.5),
    "cut at 99 %": cut(0.99),
    "last 10 bytes": cut_last(10),
    "last 2 bytes": cut_last(2),
    "512 bytes zeroed": zero_block,
    "20 bytes changed": change(20),
    "1 byte changed": change(1),
}


def _body(data: bytes, size: int) -> tuple[int, int]:
    """Where `size` bytes of the picture's data may begin: first offset, and one behind the last."""
    if data.startswith(b"\xff\xd8"):
        start = data.index(b"\xff\xda") + 14
        return start, len(data) - 2 - size
    if data.startswith(b"\x89PNG"):
        return data.index(b"IDAT") + 4, len(data) - 16 - size
    return min(1024, len(data) // 4), len(data) - 2 - size


def encodings(data: bytes) -> dict[str, bytes]:
    """An intact JPEG in every format."""
    with Image.open(io.BytesIO(data)) as image:
        picture = image.convert("RGB")
    picture.thumbnail((LARGEST, LARGEST))
    found = {"JPEG": data}
    for name, options in ENCODINGS.items():
        if options:
            buffer = io.BytesIO()
            picture.save(buffer, **options)  # type: ignore[arg-type]
            found[name] = buffer.getvalue()
    return found


def plant(sources: Iterable[Path], folder: Path, seed: int = 0) -> dict[str, tuple[str, str]]:
    """Write every source in every format, intact and with every damage.

    Returns:
        For each file written, relative to `folder`: its format and the name of its damage ("intact" for none).
    """
    planted = {}
    for number, source in enumerate(sources):
        for at, (name, data) in enumerate(encodings(source.read_bytes()).items()):
            suffix = SUFFIXES[str(ENCODINGS[name].get("format", "JPEG"))]
            for kind, damage in {"intact": lambda data, random: data, **DAMAGES}.items():
                random = np.random.default_rng([seed, number, at, zlib.crc32(kind.encode())])
                place = f"{name} {kind}".replace(" ", "_").replace("%", "pc")
                (folder / place).mkdir(parents=True, exist_ok=True)
                (folder / place / f"{number:04d}{suffix}").write_bytes(damage(data, random))
                planted[f"{place}/{number:04d}{suffix}"] = (name, kind)
    return planted


def found_by_ours(folder: Path) -> set[str]:
    """Files in which our audit finds damage."""
    with tempfile.TemporaryDirectory() as out:
        program = Path(sys.executable).with_name("imageclinic")
        command: list[str | Path] = [program, "audit", folder, "--out", Path(out) / "run", "--checks", "corrupted"]
        subprocess.run(command, check=True, capture_output=True)
        rows = pq.read_table(Path(out) / "run" / "dataset.parquet", columns=["image_id", "read_error"]).to_pylist()
    return {row["image_id"] for row in rows if row["read_error"] is not None}


def pillow_refuses(data: bytes) -> bool:
    """Whether Pillow can't decode the file."""
    return _raises(lambda: Image.open(io.BytesIO(data)).load())


def verify_refuses(data: bytes) -> bool:
    """Whether `Image.verify` finds fault."""
    return _raises(lambda: Image.open(io.BytesIO(data)).verify())


def tensorflow_refuses(data: bytes) -> bool:
    """Whether TensorFlow can't decode the file (it reads no TIFF)."""
    import tensorflow as tf

    return _raises(lambda: tf.io.decode_image(data, expand_animations=False))


def _raises(read: Callable[[], object]) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read()
        except Exception:  # decoders raise anything, and each counts as found
            return True
    return False


def compare(folder: Path, planted: dict[str, tuple[str, str]], *, tensorflow: bool) -> list[tuple[str, ...]]:
    """Rows of the table: format, damage, then the share found by each reader."""
    ours = found_by_ours(folder)
    readers: dict[str, Callable[[str, bytes], bool]] = {
        "ours": lambda path, data: path in ours,
        "Pillow": lambda path, data: pillow_refuses(data),
        "verify()": lambda path, data: verify_refuses(data),
    }
    if tensorflow:
        readers["TensorFlow"] = lambda path, data: tensorflow_refuses(data)
    groups: dict[tuple[str, str], list[str]] = {}
    for path, key in planted.items():
        groups.setdefault(key, []).append(path)
    rows = [("format", "damage", *readers)]
    for (name, kind), paths in groups.items():
        contents = [(path, (folder / path).read_bytes()) for path in paths]
        cells = []
        for reader, refuses in readers.items():
            if reader == "TensorFlow" and "TIFF" in name:
                cells.append("reads none")
            else:
                cells.append(share(sum(refuses(path, data) for path, data in contents), len(paths)))
        rows.append((name, "intact (false alarms)" if kind == "intact" else kind, *cells))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path, help="a folder of intact JPEGs, such as OUT/photos of benchmarks.photos")
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--tensorflow", action="store_true", help="ask TensorFlow too")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sources = sorted(options.dir.rglob("*.jpg"))
    chosen = np.random.default_rng(options.seed).permutation(len(sources))[: options.images]
    with tempfile.TemporaryDirectory() as folder:
        planted = plant([sources[i] for i in chosen], Path(folder), options.seed)
        header, *rows = compare(Path(folder), planted, tensorflow=options.tensorflow)
    print(table(header, rows))


if __name__ == "__main__":
    main()
