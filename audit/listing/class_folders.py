"""A folder tree of images → a listing. Names are handled a folder at a time: there may be millions."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from imageclinic.audit.listing import class_names_file, folder_layout
from imageclinic.audit.listing.folder_layout import Layout
from imageclinic.audit.listing.folder_names import is_system
from imageclinic.audit.listing.folder_walk import Trouble, notes, walk
from imageclinic.audit.listing.listing import COLUMNS, Listing
from imageclinic.core.errors import InputError
from imageclinic.core.formats import SUFFIXES, sniff
from imageclinic.core.naming.wording import few, shown
from imageclinic.core.reading.regular_files import open_flags
from imageclinic.core.tables import to_image_id

# Files of these suffixes are about images, and a folder of nothing else is no class whose images can't be read.
_ABOUT_IMAGES = frozenset(
    ".txt .md .rst .pdf .json .jsonl .xml .csv .tsv .xls .xlsx .yaml .yml .ini .cfg .toml .html .htm .log .db .py "
    ".pyc .ipynb .sh .m .mat .pkl .pickle .pt .pth .ckpt .h5 .keras .onnx .tflite .sha256 .md5 .lock .names".split()
)
_NO_SUFFIX = "without suffix"
_LONGEST_SUFFIX = 12


@dataclass
class _Found:
    """Folders with images in them, number and names of these; suffixes of other files by folder; images in folders that
    are passed over."""

    folders: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    others: dict[str, Counter[str]] = field(default_factory=dict)
    hidden: Counter[str] = field(default_factory=Counter)


def from_folder(root: Path, layout: str | None = None) -> Listing:
    """List the images below `root`, which must be resolved.

    Args:
        root: the dataset's folder.
        layout: what the levels of folders are, such as ``split/class``; None: as `folder_layout.infer` finds it.

    Raises:
        InputError: no images, no class folders, or folders that can mean several things.
    """
    if layout is not None:
        folder_layout.parse(layout)  # before anything is looked for
    trouble: Trouble = {}
    found = _look(root, trouble)
    other_files = sum(found.others.values(), Counter[str]())
    remarks = notes(trouble)
    if not found.files:
        what = f"only {other_files.total()} other files" if other_files else "nothing"
        hidden = [f"{sum(found.hidden.values()):,} images in hidden or system folders"] if found.hidden else []
        raise InputError(
            f"no images in {root}: {'; '.join([what, *hidden, *remarks])}",
            expected="one folder per class with images in it, or train/ and test/ of these",
        )
    parts = [tuple(folder.split("/")) if folder else () for folder in found.folders]
    counts = dict(zip(parts, found.counts, strict=True))
    foreign = {
        tuple(folder.split("/")): kinds
        for folder, kinds in found.others.items()
        if folder and folder not in set(found.folders) and (set(kinds) - _ABOUT_IMAGES)
    }
    chosen, about_labels = understand(counts, foreign, layout, str(root))
    remarks += about_labels
    given = [chosen.label(path) for path in parts]
    names, about_names = class_names_file.read(root, sorted({name for name in given if name is not None}))
    remarks += about_names
    labels = [_escaped(names.get(name, name) if name is not None else None) for name in given]
    images = pd.DataFrame(
        {
            "image_id": to_image_id("\0".join(found.files)).split("\0"),
            "label": np.repeat(np.array(labels, dtype=object), found.counts),
            "split": np.repeat(np.array([chosen.split(path) for path in parts], dtype=object), found.counts),
            "group": None,
            "given_labels": None,
        }
    )[list(COLUMNS)].astype("str")
    return Listing(
        root,
        images.sort_values("image_id", ignore_index=True),
        other_files.total(),
        remarks,
        str(chosen),
        {to_image_id(name): n for name, n in sorted(found.hidden.items())},
        dict(sorted(other_files.items())),
        _without_images(foreign, chosen, labels),
    )


def understand(
    counts: Mapping[folder_layout.Path, int], foreign: Iterable[folder_layout.Path], layout: str | None, where: str
) -> tuple[Layout, list[str]]:
    """What the levels of a folder tree are, and notes about it.

    Args:
        counts: folder, as its parts from the root → number of images directly in it.
        foreign: folders with data that is no image, and no image.
        layout: what the user says that the levels are; None: see `folder_layout.infer`.
        where: what messages call the tree.

    Raises:
        InputError: no class folders, or folders that can mean several things.
    """
    tree = folder_layout.tree({**dict.fromkeys(foreign, 0), **counts})
    if layout is not None:
        chosen = folder_layout.parse(layout)
        folder_layout.check_fits(tree, chosen, where)
    elif any(counts):
        chosen = folder_layout.infer(tree, where)
    else:
        raise InputError(
            f"{where} has {sum(counts.values())} images but no class folders",
            expected="one folder per class",
            fix="sort the images into class folders, give a manifest with the columns path and label, or audit "
            "them without labels: --layout any (in Python: layout=)",
        )
    return chosen, list(_about_labels(tree, chosen))


def _look(root: Path, trouble: Trouble) -> _Found:
    found = _Found()
    for folder, names in walk(root, trouble):
        prefix = f"{folder}/" if folder else ""
        passed_over = _system_folder(folder)
        if passed_over is not None:
            found.hidden[passed_over] += sum(map(_is_named_so, names))
            continue
        images = [prefix + name for name in names if _is_named_so(name) or _begins_so(root, prefix + name, trouble)]
        if len(images) < len(names):
            known = set(images)
            found.others[folder] = Counter(_suffix(name) for name in names if prefix + name not in known)
        if images:
            found.folders.append(folder)
            found.counts.append(len(images))
            found.files += images
    return found


def _system_folder(folder: str) -> str | None:
    """The topmost hidden or system folder that a folder is, or lies in."""
    parts = folder.split("/") if folder else []
    return next(("/".join(parts[: at + 1]) for at, name in enumerate(parts) if is_system(name)), None)


def _about_labels(tree: folder_layout.Folder, layout: Layout) -> Iterator[str]:
    for path in sorted(layout.unlabelled):
        yield f"{shown(to_image_id('/'.join(path)))} is no class: its images have no label"
    unknown = folder_layout.unknown_splits(tree, layout)
    if unknown:
        yield f"no split is named by {few([shown(to_image_id(name)) for name in unknown])}: images there are in none"


def _without_images(
    foreign: dict[tuple[str, ...], Counter[str]], layout: Layout, labels: Sequence[str | None]
) -> dict[str, dict[str, int]]:
    """Classes that have files, and no image among them, with the number of their files by suffix."""
    empty: dict[str, Counter[str]] = {}
    for path, kinds in foreign.items():
        label = _escaped(layout.label(path))
        if label is not None and label not in labels:
            empty.setdefault(label, Counter()).update(kinds)
    return {label: dict(sorted(kinds.items())) for label, kinds in sorted(empty.items())}


def _escaped(name: str | None) -> str | None:
    return None if name is None else to_image_id(name)


def _suffix(name: str) -> str:
    dot = name.rfind(".")
    return to_image_id(name[dot:].lower()) if dot > 0 and len(name) - dot <= _LONGEST_SUFFIX else _NO_SUFFIX


def _is_named_so(name: str) -> bool:
    """Whether a file has an image's name. What is named `._…` holds what macOS knows of the file named `…`."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in SUFFIXES and not name.startswith("._")


def _begins_so(root: Path, path: str, trouble: Trouble) -> bool:
    """Whether a file begins as an image does."""
    try:
        # Not blocking: it may have become a pipe since it was listed.
        file = os.open(f"{root}/{path}", open_flags("O_NONBLOCK"))
        try:
            return sniff(os.read(file, 16)) is not None
        finally:
            os.close(file)
    except OSError as error:
        reason = f"can't be read ({error.strerror}), and the name is not an image's; ignored"
        trouble.setdefault(reason, []).append(path)
        return False
