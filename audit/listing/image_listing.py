"""A folder of class folders, a split/class tree, or a CSV/Parquet manifest → a listing of image files.

The listing says which files there are and what the dataset says of them; `audit.scan.scan` opens them. Names are
handled a folder or a column at a time: there may be millions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.listing.folder_walk import Trouble, notes, walk
from imageclinic.core.errors import InputError
from imageclinic.core.formats import SUFFIXES, sniff
from imageclinic.core.tables import SPLITS, to_image_id

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
            fix="name them with --path-column, --label-column, --split-column, --group-column; in Python with "
            "columns={'path': …, 'label': …}",
        )
    if table.empty:
        raise InputError(f"{where} has no rows", expected="one row per image")
    images = pd.DataFrame({"image_id": _manifest_ids(table[given["path"]].tolist(), root, where)})
    for ours in ("label", "split", "group"):
        theirs = table[given[ours]] if given[ours] in table.columns else pd.Series([None] * len(table))
        images[ours] = _texts(theirs, where)
    images = images.astype("str")
    names = images["split"].str.lower().map(SPLIT_NAMES)
    unknown = np.flatnonzero(images["split"].notna() & names.isna())
    if len(unknown):
        raise InputError(
            f"{where}, row {unknown[0] + 2}: split {images['split'].iloc[unknown[0]]!r}",
            expected=f"one of {', '.join(SPLIT_NAMES)}, or nothing",
        )
    images["split"] = names.astype("str")
    told = []
    if images["image_id"].duplicated().any():
        unique = images.drop_duplicates()
        twice = unique[unique["image_id"].duplicated(keep=False)]
        if len(twice):
            first = twice["image_id"].iloc[0]
            rows = [str(i + 2) for i in images.index[images["image_id"] == first]]
            raise InputError(
                f"{where} names {first!r} in rows {', '.join(rows)} with different labels, splits or groups",
                expected="one row per image",
            )
        told.append(f"{len(images) - len(unique)} repeated rows of the manifest were counted once")
        images = unique
    return Listing(root, images.sort_values("image_id", ignore_index=True), notes=told)


def _from_folder(root: Path) -> Listing:
    trouble: Trouble = {}
    folders: list[str] = []
    counts: list[int] = []
    files: list[str] = []
    ignored = 0
    for folder, names in walk(root, trouble):
        prefix = f"{folder}/" if folder else ""
        found = [prefix + name for name in names if _is_named_so(name) or _begins_so(root, prefix + name, trouble)]
        ignored += len(names) - len(found)
        if found:
            folders.append(folder)
            counts.append(len(found))
            files += found
    told = notes(trouble)
    if not files:
        what = f"only {ignored} other files" if ignored else "nothing"
        raise InputError(
            f"no images in {root}: {'; '.join([what, *told])}",
            expected="one folder per class with images in it, or train/ and test/ of these",
        )
    parts = [folder.split("/") if folder else [] for folder in folders]
    inside = [p for p in parts if p]
    if not inside:
        raise InputError(
            f"{root} has {len(files)} images but no class folders",
            expected="one folder per class",
            fix="sort the images into class folders, or give a manifest with the columns path and label",
        )
    # A class may be called "train" (vehicles!), so a tree is one of splits only if every folder is a split's.
    by_split = all(p[0].lower() in SPLIT_NAMES and len(p) > 1 for p in inside)
    depth = 1 if by_split else 0
    loose = sum(n for p, n in zip(parts, counts, strict=True) if len(p) <= depth)
    if loose:
        told.append(f"{loose} images lie outside the class folders: they have no label")
    labels = [to_image_id(p[depth]) if len(p) > depth else None for p in parts]
    splits = [SPLIT_NAMES[p[0].lower()] if by_split and p else None for p in parts]
    images = pd.DataFrame(
        {
            "image_id": _image_ids(files),
            "label": np.repeat(np.array(labels, dtype=object), counts),
            "split": np.repeat(np.array(splits, dtype=object), counts),
            "group": None,
        }
    ).astype("str")
    return Listing(root, images.sort_values("image_id", ignore_index=True), ignored, told)


def _is_named_so(name: str) -> bool:
    """Whether a file has an image's name. What is named `._…` holds what macOS knows of the file named `…`."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in SUFFIXES and not name.startswith("._")


def _begins_so(root: Path, path: str, trouble: Trouble) -> bool:
    """Whether a file begins as an image does."""
    try:
        # Not blocking: it may have become a pipe since it was listed.
        file = os.open(f"{root}/{path}", os.O_RDONLY | os.O_NONBLOCK)
        try:
            return sniff(os.read(file, 16)) is not None
        finally:
            os.close(file)
    except OSError as error:
        reason = f"can't be read ({error.strerror}), and the name is not an image's; ignored"
        trouble.setdefault(reason, []).append(path)
        return False


def _image_ids(paths: Sequence[str]) -> list[str]:
    """`to_image_id` of at least one path, in one go."""
    return to_image_id("\0".join(paths)).split("\0")


def _manifest_ids(values: Iterable[object], root: Path, where: str) -> list[str]:
    texts = [value if type(value) is str else _text(value) or "" for value in values]
    paths = [os.path.normpath(text) for text in texts]
    sound = _is_name("".join(texts))
    inside, real = f"{root}/", cache(os.path.realpath)
    for i, path in enumerate(paths):
        if path.startswith(inside) and sound:
            paths[i] = path[len(inside) :]
        elif path[0] in "./" or not sound:
            paths[i] = _inside(texts[i], path, root, f"{where}, row {i + 2}", real)
    return _image_ids(paths)


def _inside(text: str, path: str, root: Path, where: str, real: Callable[[str], str]) -> str:
    """The normalised `path` of `text`, relative to the root."""
    if not text:
        raise InputError(f"{where}: the path is empty", expected="the path of an image")
    if not _is_name(text):
        raise InputError(f"{where}: {text!r} can't be the path of a file", expected="the path of an image")
    if path.startswith("/"):
        folder, _, name = path.rpartition("/")
        # The manifest may name the dataset's folder by a link that leads to it.
        path = os.path.relpath(f"{real(folder)}/{name}", root)
    if path == ".." or path.startswith("../"):
        raise InputError(
            f"{where}: {text!r} leaves the dataset's root {root}",
            expected="paths inside the manifest's folder",
            fix="put the manifest into the folder above all images",
        )
    return path


def _is_name(text: str) -> bool:
    """Whether a file can be called so: no NUL, and nothing but Unicode and escaped bytes."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _texts(column: pd.Series, where: str) -> npt.NDArray[np.object_]:
    """The column as text that can be written as UTF-8, None for none. Each distinct value is looked at once."""
    try:
        codes, values = pd.factorize(column)
    except TypeError:
        raise InputError(f"{where}: the column {column.name!r} holds lists", expected="one value per image") from None
    texts = [None if (text := _text(value)) is None else _utf8(text) for value in values]
    return np.array([*texts, None], dtype=object)[codes]


def _text(value: object) -> str | None:
    if value is None or value == "" or (not isinstance(value, str) and bool(pd.isna(value))):  # type: ignore[call-overload]
        return None
    if isinstance(value, bytes | os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, float | np.floating) and value.is_integer():
        value = int(value)
    return str(value)


def _utf8(text: str) -> str:
    """Stray bytes as ``\\xNN``."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half of a surrogate pair
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
