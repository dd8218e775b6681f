"""What the levels of a folder tree mean: splits, classes, or nothing.

A layout names the meaning of each level from the top, such as ``split/class``; what lies deeper is part of the class.
`infer` takes the layout that the names and the shape of the tree leave no doubt about, and refuses to guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from imageclinic.audit.listing.folder_names import (
    SPLIT_NAMES,
    is_container,
    is_portion,
    says_no_label,
    split_and_rest,
    split_of,
)
from imageclinic.core.errors import InputError
from imageclinic.core.naming import class_order
from imageclinic.core.naming.wording import few, shown

LEVELS = ("split", "class", "any")
Path = tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """`levels`: the meaning of each level of folders, some of `LEVELS`. `unlabelled`: folders whose images have no
    label though they lie deep enough for one (``test/unknown``)."""

    levels: Path
    unlabelled: frozenset[Path] = frozenset()

    def __str__(self) -> str:
        return "/".join(self.levels)

    def label(self, folder: Sequence[str]) -> str | None:
        """The class of the images in a folder, given as its parts from the root; None when they have none."""
        for level, name in zip(self.levels, folder, strict=False):
            if level == "class":
                hidden = any(tuple(folder[: len(path)]) == path for path in self.unlabelled)
                return None if hidden else name
        return None

    def split(self, folder: Sequence[str]) -> str | None:
        """The split of the images in a folder; None when they are in none."""
        for level, name in zip(self.levels, folder, strict=False):
            if level == "split":
                return split_of(name)
        return None


@dataclass
class Folder:
    """A folder with something in it: images and other data directly in it, and folders by name."""

    images: int = 0
    inside: dict[str, Folder] = field(default_factory=dict)

    def leaves(self) -> Iterable[tuple[Path, int]]:
        """(parts, images) of each folder with images directly in it."""
        waiting: list[tuple[Path, Folder]] = [((), self)]  # no recursion: folders may lie two thousand deep
        while waiting:
            at, folder = waiting.pop()
            if folder.images:
                yield at, folder.images
            waiting += [((*at, name), inside) for name, inside in folder.inside.items()]


def tree(counts: Mapping[Path, int]) -> Folder:
    """The tree of folders from the number of images directly in each; 0 for one that holds other data."""
    root = Folder()
    for path, images in counts.items():
        here = root
        for name in path:
            here = here.inside.setdefault(name, Folder())
        here.images += images
    return root


def parse(text: str) -> Layout:
    """A layout from what a user wrote, such as ``split/class``.

    Raises:
        InputError: another word than those of `LEVELS`, or one of split and class twice.
    """
    levels = tuple(part.strip().lower() for part in text.strip("/").split("/"))
    if set(levels) - set(LEVELS) or any(levels.count(name) > 1 for name in ("split", "class")):
        raise InputError(
            f"the layout {text!r}",
            expected="what each level of folders is, joined by slashes: split, class or any (for a folder that says "
            "nothing), such as class, split/class, class/split, any/split/class",
        )
    return Layout(levels)


def infer(root: Folder, where: str) -> Layout:
    """The layout of a tree that holds at least one folder.

    Raises:
        InputError: when more than one is likely: it shows what each would mean.
    """
    here = root
    above: list[str] = []
    while len(here.inside) == 1:
        ((name, only),) = here.inside.items()
        deeper = len(only.inside) > 1 or any(f.inside or split_of(n) for n, f in only.inside.items())
        if split_of(name) or not deeper:
            break
        if only.images:
            raise _uncertain(root, where, [(*above, "any", "class"), (*above, "class")])
        here = only
        above.append("any")
    named = {name: folder for name, folder in here.inside.items() if split_of(name)}
    below = _with_splits(named, here) if named else _without_splits(here)
    candidates = [(*above, *levels) for levels in below]
    if above and candidates[0] != ("class",) and ("split",) in below:
        candidates.append((*above[:-1], "class", "split"))
    if len(candidates) > 1 or (not named and _twins(here.inside)):
        raise _uncertain(root, where, candidates)
    layout = Layout(candidates[0])
    layout = Layout(layout.levels, _placeholders(root, layout))
    classes = {label for folder, _ in root.leaves() if (label := layout.label(folder)) is not None}
    if all(is_container(name) or is_portion(name) or split_of(name) for name in classes):
        plain = tuple("any" if level == "class" else level for level in layout.levels)
        raise _uncertain(root, where, [layout.levels, plain])
    return layout


def _with_splits(named: Mapping[str, Folder], here: Folder) -> list[Path]:
    """Likely meanings where some folders have a split's name; one when it is certain."""
    deep = {name: folder for name, folder in named.items() if folder.inside}
    others = {
        name: folder
        for name, folder in here.inside.items()
        if name not in named and not (says_no_label(name) and (not folder.inside or _only_placeholder(folder)))
    }
    several = len({split_of(name) for name in named}) > 1
    if not deep:
        # A class may be called "train" (vehicles!).
        return [("class",)] if others and not several else [("split",), ("class",)]
    depths = {_wrapping(folder) for name, folder in deep.items() if not _only_placeholder(folder)}
    found = [("split", *["any"] * depth, "class") for depth in sorted(depths or {0})]
    if others and (not several or any(folder.inside for folder in others.values())):
        found.append(("class",))
    return found


def _without_splits(here: Folder) -> list[Path]:
    """Likely meanings where no folder has a split's name; one when it is certain."""
    tops = [folder for folder in here.inside.values() if folder.inside or folder.images]
    divided = [f for f in tops if f.inside and not f.images and all(split_of(name) for name in f.inside)]
    partly = [f for f in tops if len({split_of(name) for name in f.inside} - {None}) > 1]
    if divided and len(divided) == len(here.inside):
        parts = [part for folder in divided for part in folder.inside.values()]
        if all(part.inside and not part.images for part in parts):
            return [("any", "split", "class"), ("class", "split")]
        return [("class", "split")]
    if len(here.inside) > 1 and all(is_portion(name) and f.inside for name, f in here.inside.items()):
        return [("any", "class"), ("class",)]
    if divided or partly:
        return [("class", "split"), ("any", "split", "class"), ("class",)]
    with_images = [folder for folder in here.inside.values() if any(True for _ in folder.leaves())]
    if len(with_images) == 1 and len(here.inside) > 1 and len(with_images[0].inside) > 1:
        return [("any", "class"), ("class",)]
    return [("class",)]


def _twins(names: Iterable[str]) -> bool:
    """Whether some names differ in the split that they say alone: ``cat_train`` and ``cat_test``."""
    rests: dict[str, set[str]] = {}
    for name in names:
        split, rest = split_and_rest(name)
        if split is not None and rest:
            rests.setdefault(rest, set()).add(split)
    return any(len(splits) > 1 for splits in rests.values())


def _wrapping(folder: Folder) -> int:
    """How many folders that hold nothing but one folder of folders lie between a split and its classes."""
    depth = 0
    while not folder.images and len(folder.inside) == 1:
        (only,) = folder.inside.values()
        if not only.inside:
            break
        folder, depth = only, depth + 1
    return depth


def _only_placeholder(folder: Folder) -> bool:
    """Whether a split holds nothing but one folder that names no class: ``test/unknown``, ``test/test``."""
    names = list(folder.inside)
    return not folder.images and len(names) == 1 and _names_no_class(names[0]) and not folder.inside[names[0]].inside


def _names_no_class(name: str) -> bool:
    return is_container(name) or says_no_label(name) or split_of(name) is not None


def _placeholders(root: Folder, layout: Layout) -> frozenset[Path]:
    """Folders at the level of classes that stand for "no class": the only one in a split other than train, under a name
    that says nothing, and no class elsewhere. Loaders that ask for class folders make people add them."""
    if not {"split", "class"} <= set(layout.levels):
        return frozenset()
    classes: dict[Path, set[Path]] = {}
    for folder, _ in root.leaves():
        if layout.label(folder) is not None:
            at, of = layout.levels.index("split"), layout.levels.index("class")
            classes.setdefault(folder[: at + 1], set()).add(folder[: of + 1])
    found = set()
    for split, inside in classes.items():
        elsewhere = {path[-1] for other, paths in classes.items() if other != split for path in paths}
        (first, *more) = inside
        if not more and _names_no_class(first[-1]) and first[-1] not in elsewhere and split_of(split[-1]) != "train":
            found.add(first)
    return frozenset(found)


def _uncertain(root: Folder, where: str, candidates: Sequence[Path]) -> InputError:
    distinct = [levels for levels in dict.fromkeys(candidates) if not _misfit(root, Layout(levels), where)]
    choices = "; or ".join(f"--layout {'/'.join(levels)} ({meaning(root, Layout(levels))})" for levels in distinct)
    return InputError(
        f"the folders of {where} can mean several things",
        expected=f"a choice: {choices}",
        fix="audit it with one of them (in Python: layout=), or give a manifest with the columns path and label",
    )


def meaning(root: Folder, layout: Layout) -> str:
    """What a layout makes of a tree, in a few words."""
    labels: dict[str, int] = {}
    splits: dict[str, int] = {}
    without = 0
    for folder, images in root.leaves():
        label, split = layout.label(folder), layout.split(folder)
        if label is None:
            without += images
        else:
            labels[label] = labels.get(label, 0) + images
        if split is not None:
            splits[split] = splits.get(split, 0) + images
    return in_words(labels, splits, without)


def in_words(labels: Mapping[str, int], splits: Mapping[str, int], without: int) -> str:
    """Classes, splits and images without label, with the number of images of each split."""
    classes = f"{len(labels):,} {'class' if len(labels) == 1 else 'classes'}"
    names = few([shown(name) for name in class_order.in_order(labels)])
    parts = [f"{classes}: {names}" if labels else "no class"]
    if splits:
        order = [name for name in ("train", "val", "test") if name in splits]
        parts.append("splits: " + ", ".join(f"{name} {splits[name]:,}" for name in order))
    else:
        parts.append("no splits")
    if without:
        parts.append(f"{without:,} {'image' if without == 1 else 'images'} without label")
    return "; ".join(parts)


def check_fits(root: Folder, layout: Layout, where: str) -> None:
    """Raises InputError when a layout that the user chose finds no class or no split where it names some."""
    if (misfit := _misfit(root, layout, where)) is not None:
        raise misfit


def _misfit(root: Folder, layout: Layout, where: str) -> InputError | None:
    leaves = [folder for folder, _ in root.leaves()]
    if "class" in layout.levels and not any(layout.label(folder) for folder in leaves):
        return InputError(f"no image of {where} lies as deep as the layout {layout} says", expected="another layout")
    if "split" in layout.levels and not any(layout.split(folder) for folder in leaves):
        at = layout.levels.index("split")
        names = sorted({folder[at] for folder in leaves if len(folder) > at})
        return InputError(
            f"the layout {layout} finds no split in {where}: the folders there are {few([shown(n) for n in names])}",
            expected=f"names such as {', '.join(SPLIT_NAMES)}",
        )
    return None


def unknown_splits(root: Folder, layout: Layout) -> list[str]:
    """Names of the folders at the level of splits that are no split's: their images are in none."""
    if "split" not in layout.levels:
        return []
    at = layout.levels.index("split")
    names = {folder[at] for folder, _ in root.leaves() if len(folder) > at}
    return sorted(name for name in names if split_of(name) is None)
