"""Unpacked images → a listing: labels from annotations or folders, splits from folders or parts, ids from names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from imageclinic.audit.listing.class_folders import understand
from imageclinic.audit.listing.folder_walk import Trouble as Remarks
from imageclinic.audit.listing.folder_walk import notes
from imageclinic.audit.listing.listing import COLUMNS, Listing
from imageclinic.audit.listing.packed.packed_source import Source
from imageclinic.audit.listing.packed.sample_labels import KINDS, sample_stem
from imageclinic.audit.listing.packed.unpack import Unpacked
from imageclinic.core.atomic import replacing
from imageclinic.core.errors import InputError
from imageclinic.core.naming.wording import few, shown
from imageclinic.core.tables import to_image_id

#: Names of images, and what is known of them.
FRAME = ("path", "name", "label", "split", "group")
# Text files that say a label say one of few; captions differ from image to image.
_CAPTIONS_FROM, _CAPTIONS_SHARE = 10, 0.5


def listing(source: Source, parts: Sequence[Unpacked], root: Path, layout: str | None) -> Listing:
    """The listing of what was unpacked below `root`.

    Raises:
        InputError: no image, or no labels where the user did not say that there are none (layout ``any``).
    """
    rows = [(part, *image[:5]) for part, found in enumerate(parts) for image in found.images]
    remarks: list[str] = [*source.notes, *_remarks(source, parts)]
    if not rows:
        raise InputError(
            f"no images in {source.where}: {'; '.join(remarks) or 'nothing in it is one'}",
            expected="images, with their labels in class folders or beside them",
        )
    images = pd.DataFrame(rows, columns=["part", *FRAME], dtype=object)  # names may hold bytes
    others = Counter(_suffix(name) for found in parts for name in found.others)
    understood = source.layout
    if source.folders:
        annotated = _annotated(source, parts, images, layout, remarks)
        for found in parts:
            others.update("." + kind for stem, kind, _ in found.annotations if not annotated)
        if not annotated:
            understood = _by_folders(source, images, layout, remarks)
    ids = images["path"].map(to_image_id)
    listed = images.assign(image_id=ids, given_labels=None)[list(COLUMNS)]
    for name in ("label", "group"):
        listed[name] = listed[name].map(_text, na_action="ignore")
    hidden: Counter[str] = Counter()
    for found in parts:
        hidden.update(found.hidden)
    return Listing(
        root,
        listed.astype("str").sort_values("image_id", ignore_index=True),
        others.total(),
        remarks,
        understood,
        {to_image_id(name): n for name, n in sorted(hidden.items())},
        dict(sorted(others.items())),
        packed=source.where,
    )


def _annotated(
    source: Source, parts: Sequence[Unpacked], images: pd.DataFrame, layout: str | None, remarks: list[str]
) -> bool:
    """Give images the labels that files beside them say; whether there are any."""
    if layout is not None:
        return False
    stems = [sample_stem(str(name))[0] for name in images["name"]]
    several = Counter(zip(images["part"], stems, strict=True))
    said: dict[str, dict[tuple[int, str], str]] = {kind: {} for kind in KINDS}
    for part, found in enumerate(parts):
        for stem, kind, label in found.annotations:
            if label is not None:
                said[kind][part, stem] = label
    for kind in KINDS:
        if kind == "cls" and _only_number(said["cls"], said["json"]):
            continue
        keys = zip(images["part"], stems, strict=True)
        labels = pd.Series([said[kind].get(key) for key in keys], images.index, object)
        given = labels.dropna()
        if given.empty or (kind == "txt" and _are_captions(given)):
            continue
        images["label"] = labels
        if len(given) < len(images):
            remarks.append(f"{len(images) - len(given):,} images have no .{kind} file of their name with a label")
        if doubled := [key for key, n in several.items() if n > 1]:
            remarks.append(
                f"WARNING: {len(doubled):,} samples have several images, and each is audited as one of its own: "
                f"{few([shown(to_image_id(stem)) for _, stem in doubled])}"
            )
        return True
    return False


def _only_number(cls: dict[tuple[int, str], str], names: dict[tuple[int, str], str]) -> bool:
    """Whether .cls files number the classes that .json files name: as `imageclinic export` writes them."""
    pairs = {(number, names.get(sample)) for sample, number in cls.items()}
    numbered = all(name is not None and number.isdecimal() for number, name in pairs)
    return numbered and len(pairs) == len({number for number, _ in pairs}) == len({name for _, name in pairs})


def _are_captions(texts: pd.Series) -> bool:
    return len(texts) >= _CAPTIONS_FROM and texts.nunique() > _CAPTIONS_SHARE * len(texts)


def _by_folders(source: Source, images: pd.DataFrame, layout: str | None, remarks: list[str]) -> str:
    """Give images the labels and splits of the folders in their names; what the layout was taken for."""
    folders = [tuple(p for p in str(name).split("/")[:-1] if p not in ("", ".")) for name in images["name"]]
    chosen, about = understand(Counter(folders), (), layout, source.where)
    remarks += about
    distinct = {folder: (chosen.label(folder), chosen.split(folder)) for folder in set(folders)}
    images["label"] = [distinct[folder][0] for folder in folders]
    splits = pd.Series([distinct[folder][1] for folder in folders], images.index, object)
    images["split"] = splits.where(splits.notna(), images["split"])
    return str(chosen)


def _remarks(source: Source, parts: Sequence[Unpacked]) -> list[str]:
    """What could not be used, and names that were met twice."""
    trouble: Remarks = {}
    counted = 0
    for part, found in zip(source.parts, parts, strict=True):
        for name, reason in found.trouble:
            counted += 1
            begins = part.name if len(source.parts) > 1 or not name else ""
            at = "/".join(piece for piece in (begins, name) if piece)
            trouble.setdefault(reason, []).append(at)
    lines = []
    if changed := [part.name for part, found in zip(source.parts, parts, strict=True) if found.changed]:
        lines.append(f"changed since the last audit, and unpacked again: {few([shown(name) for name in changed])}")
    if counted:
        what = "piece" if counted == 1 else "pieces"
        lines.append(f"WARNING: {counted:,} {what} of {source.where} could not be used")
        lines += notes(trouble)
    again = [p for found in parts for p, *_ in found.images if "%~" in p]
    if again:
        lines.append(
            f"WARNING: {len(again):,} images have the name of another, or one that differs only in case; their ids "
            f"have a number: {few([shown(to_image_id(path)) for path in again])}"
        )
    return lines


def _suffix(name: str) -> str:
    last = name.rpartition("/")[2]
    dot = last.rfind(".")
    return to_image_id(last[dot:].lower()) if dot > 0 and len(last) - dot <= 12 else "without suffix"


def _text(value: object) -> str:
    """A label that can be written down: other bytes as ``\\xNN``, NUL as ``%00``."""
    text = to_image_id(str(value).replace("\0", "%00"))
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def write_manifest(listing: Listing, parts: Sequence[Unpacked], file: Path) -> None:
    """Write which file is which member: path (from the manifest's folder), label, split, group, name."""
    names = {to_image_id(path): to_image_id(name) for found in parts for path, name, *_ in found.images}
    table = listing.images[["label", "split", "group"]].assign(
        path=listing.name + "/" + listing.images["image_id"], name=listing.images["image_id"].map(names)
    )
    with replacing(file) as temporary:
        table[["path", "label", "split", "group", "name"]].to_parquet(temporary, index=False)
