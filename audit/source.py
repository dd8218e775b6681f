"""A folder of class folders, a split/class tree, or a CSV/Parquet manifest → a listing of image files.

The listing says which files there are and what the dataset says of them; `audit.scan` opens them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from audit.errors import InputError
from audit.tables import SPLITS, to_image_id

EXTENSIONS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .gif .bmp .dib .webp .tif .tiff .avif .jp2 .j2k .jpx .ppm .pgm .pbm .pnm .ico .mpo"
    " .heic .heif .tga".split()
)
#: Names under which datasets keep their splits, and ours for them.
SPLIT_NAMES = {
    **{s: s for s in SPLITS},
    "training": "train",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "testing": "test",
}
COLUMNS = ("image_id", "label", "split", "group")

# First bytes of image formats. ISO-BMFF (AVIF, HEIC) and RIFF (WebP) carry theirs at an offset.
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (8, b"WEBP", "WEBP"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (4, b"ftypheic", "HEIF"),
    (4, b"ftypmif1", "HEIF"),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG2000"),
    (0, b"BM", "BMP"),
    (0, b"\x00\x00\x01\x00", "ICO"),
    *((0, b"P%d" % n + space, "PPM") for n in range(1, 7) for space in (b"\n", b" ", b"\r", b"\t")),
)


def sniff(head: bytes) -> str | None:
    """Image format by signature (Pillow's names), from the first 16 bytes or more; None if it is none we know."""
    return next((name for at, mark, name in _SIGNATURES if head[at : at + len(mark)] == mark), None)


@dataclass(frozen=True)
class Listing:
    """Which image files a dataset has: `images` has the columns image_id, label, split, group (the last three
    nullable), sorted by image_id. `ignored` counts other files; `notes` are things that the user should know."""

    root: Path
    images: pd.DataFrame
    ignored: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the dataset: its folder's."""
        return self.root.name


def load(data: Path, *, columns: dict[str, str] | None = None) -> Listing:
    """List the dataset at `data`: a folder or a .csv/.parquet manifest.

    Args:
        data: folder or manifest; a manifest's folder is the root of its paths.
        columns: for manifests, our column name → theirs (path, label, split, group).

    Raises:
        InputError: nothing there, no images, no class folders, missing columns, paths that leave the root.
    """
    if data.is_dir():
        if columns:
            raise InputError(
                f"{data} is a folder, and column names were given",
                expected="a .csv or .parquet manifest with them",
            )
        return _from_folder(data.resolve())
    if not data.exists():
        raise InputError(f"{data} does not exist", expected="a folder of class folders, or a .csv or .parquet manifest")
    if data.suffix.lower() == ".csv":
        try:
            table = pd.read_csv(
                data, dtype=object, keep_default_na=False, encoding="utf-8", encoding_errors="surrogateescape"
            )
        except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise InputError(
                f"{data} is no readable CSV file: {str(error).strip()}", expected="a header row"
            ) from error
    elif data.suffix.lower() in (".parquet", ".pq"):
        try:
            table = pd.read_parquet(data)
        except (OSError, ValueError) as error:
            raise InputError(f"{data} is no readable Parquet file: {error}") from error
    else:
        raise InputError(f"{data} is neither a folder nor a manifest", expected="a folder, a .csv or a .parquet file")
    return from_frame(table, data.resolve().parent, columns=columns, where=str(data))


def from_frame(
    table: pd.DataFrame, root: Path, *, columns: dict[str, str] | None = None, where: str = "the frame"
) -> Listing:
    """List the images that a frame names. `columns` maps path, label, split, group to its columns (default: the
    same names; split and group may be absent). An empty label, split or group means none.

    Raises:
        InputError: as `load`.
    """
    columns = columns or {}
    given = {ours: columns.get(ours, ours) for ours in ("path", "label", "split", "group")}
    needed = {"path", "label"} | set(columns)
    missing = [theirs for ours, theirs in given.items() if ours in needed and theirs not in table.columns]
    if missing:
        raise InputError(
            f"{where} has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, table.columns))}",
            expected="a path and a label column",
            fix="name them with --path-column, --label-column, --split-column, --group-column",
        )
    if table.empty:
        raise InputError(f"{where} has no rows", expected="one row per image")
    ids = [_manifest_id(value, root, f"{where}, row {row}") for row, value in enumerate(table[given["path"]], start=2)]
    images = pd.DataFrame({"image_id": ids})
    for ours in ("label", "split", "group"):
        theirs = table[given[ours]] if given[ours] in table.columns else pd.Series([None] * len(table))
        images[ours] = pd.Series([_text(value) for value in theirs], dtype=object)
    for row, split in enumerate(images["split"], start=2):
        if split is not None and split.lower() not in SPLIT_NAMES:
            raise InputError(
                f"{where}, row {row}: split {split!r}",
                expected=f"one of {', '.join(SPLIT_NAMES)}, or nothing",
            )
    images["split"] = pd.Series([None if s is None else SPLIT_NAMES[s.lower()] for s in images["split"]], dtype=object)
    notes = []
    unique = images.drop_duplicates()
    twice = unique[unique["image_id"].duplicated(keep=False)]
    if len(twice):
        first = twice["image_id"].iloc[0]
        rows = [str(i + 2) for i in images.index[images["image_id"] == first]]
        raise InputError(
            f"{where} names {first!r} in rows {', '.join(rows)} with different labels, splits or groups",
            expected="one row per image",
        )
    if len(unique) < len(images):
        notes.append(f"{len(images) - len(unique)} repeated rows of the manifest were counted once")
    return Listing(root, _sorted(unique), notes=notes)


def _from_folder(root: Path) -> Listing:
    notes: list[str] = []
    files: list[str] = []
    ignored = 0
    for relative in _walk(root, notes):
        if _is_image(root / relative, relative):
            files.append(relative)
        else:
            ignored += 1
    if not files:
        found = f"only {ignored} other files" if ignored else "nothing"
        raise InputError(
            f"no images in {root}: {found}",
            expected="one folder per class with images in it, or train/ and test/ of these",
        )
    parts = [PurePosixPath(f).parts for f in files]
    folders = {p[0] for p in parts if len(p) > 1}
    if not folders:
        raise InputError(
            f"{root} has {len(files)} images but no class folders",
            expected="one folder per class",
            fix="sort the images into class folders, or give a manifest with the columns path and label",
        )
    # A class may be called "train" (vehicles!), so a tree is one of splits only if every folder is a split's.
    by_split = all(f.lower() in SPLIT_NAMES for f in folders) and all(len(p) > 2 for p in parts if len(p) > 1)
    depth = 1 if by_split else 0
    loose = sum(len(p) <= depth + 1 for p in parts)
    if loose:
        notes.append(f"{loose} images lie outside the class folders: they have no label")
    images = pd.DataFrame(
        {
            "image_id": [to_image_id(f) for f in files],
            "label": [to_image_id(p[depth]) if len(p) > depth + 1 else None for p in parts],
            "split": [SPLIT_NAMES[p[0].lower()] if by_split and len(p) > 1 else None for p in parts],
            "group": [None] * len(files),
        }
    )
    return Listing(root, _sorted(images), ignored, notes)


def _walk(root: Path, notes: list[str]) -> Iterator[str]:
    """Relative POSIX paths of all files below `root`, in no particular order. A folder that is reached twice (by
    a symbolic link) is listed once; one that can't be read is noted."""
    seen: set[tuple[int, int]] = set()
    stack = [""]
    while stack:
        relative = stack.pop()
        try:
            status = (root / relative).stat()
            if (status.st_dev, status.st_ino) in seen:
                notes.append(f"{to_image_id(relative)}: a link to a folder that is already listed; not followed")
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(root / relative), key=lambda e: e.name)
        except OSError as error:
            notes.append(f"{to_image_id(relative) or root}: can't be listed ({error.strerror})")
            continue
        for entry in reversed(entries):
            path = f"{relative}/{entry.name}" if relative else entry.name
            if entry.is_dir():
                stack.append(path)
            elif entry.is_file() or entry.is_symlink():
                yield path


def _is_image(path: Path, name: str) -> bool:
    if os.path.splitext(name)[1].lower() in EXTENSIONS:  # noqa: PTH122 - millions of names: a Path costs
        return True
    try:
        with path.open("rb") as file:
            return sniff(file.read(16)) is not None
    except OSError:
        return False


def _manifest_id(value: object, root: Path, where: str) -> str:
    text = _text(value)
    if text is None:
        raise InputError(f"{where}: the path is empty", expected="the path of an image")
    path = os.path.normpath(text)
    if Path(path).is_absolute():
        path = os.path.relpath(path, root)
    if path == ".." or path.startswith("../"):
        raise InputError(
            f"{where}: {text!r} leaves the dataset's root {root}",
            expected="paths inside the manifest's folder",
            fix="put the manifest into the folder above all images",
        )
    return to_image_id(path)


def _text(value: object) -> str | None:
    if value is None or value == "" or (not isinstance(value, str) and bool(pd.isna(value))):  # type: ignore[call-overload]
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _sorted(images: pd.DataFrame) -> pd.DataFrame:
    ordered = images.sort_values("image_id", ignore_index=True)
    # Escaped, so that labels with stray bytes can be written as UTF-8 too.
    for column in ("label", "group"):
        ordered[column] = [
            None if v is None else v.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            for v in ordered[column].astype(object).where(ordered[column].notna(), None)
        ]
    return ordered.astype("str")
