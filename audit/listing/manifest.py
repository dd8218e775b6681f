"""A table of image paths (.csv, .parquet or a frame) → a listing. Columns are handled whole: there may be millions of
rows."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from imageclinic.audit.listing import annotated_manifest, cell_texts, several_classes
from imageclinic.audit.listing.folder_names import SPLIT_NAMES, split_of
from imageclinic.audit.listing.listing import COLUMNS, Listing
from imageclinic.audit.listing.packed.sample_labels import another_task
from imageclinic.audit.listing.pictures_in_cells import refuse_pictures
from imageclinic.core.errors import InputError
from imageclinic.core.naming import label_sets
from imageclinic.core.naming.wording import few, shown
from imageclinic.core.tables import SPLITS, to_image_id

_OURS = ("path", "label", "split", "group")
_BYTE_ORDER_MARKS = {  # the longer ones first: UTF-32 begins as UTF-16 does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
_SEPARATORS = ",;\t|"


def load(file: Path, columns: dict[str, str] | None = None, label_separator: str | None = None) -> Listing:
    """List what a .csv or .parquet file names, relative to its folder; see `from_frame`.

    Raises:
        InputError: a file of another kind, one that can't be read, and as `from_frame`.
    """
    suffix = file.suffix.lower()
    if suffix == ".csv":
        table = read_csv(file)
    elif suffix in (".parquet", ".pq"):
        try:
            table = pd.read_parquet(file)
        except (OSError, ValueError) as error:
            raise InputError(f"{file} is no readable Parquet file: {error}") from error
    else:
        raise InputError(
            f"{file} is neither a folder nor a manifest",
            expected="a folder, a .csv or a .parquet file",
            fix="audit an archive (.tar, .zip) first, and give its run",
        )
    whole = file.resolve()
    return from_frame(
        table, whole.parent, columns=columns, label_separator=label_separator, where=str(file), manifest=whole
    )


def from_frame(
    table: pd.DataFrame,
    root: Path,
    *,
    columns: dict[str, str] | None = None,
    label_separator: str | None = None,
    where: str = "the frame",
    manifest: Path | None = None,
) -> Listing:
    """List the images that a frame names. `columns` maps path, label, split, group to its columns (default: the
    same names; split and group may be absent). An empty label, split or group means none.

    With a `label_separator` a cell names all classes of its image (see `core.naming.label_sets`).

    An image that is given several labels has none until a person decides, and `given_labels` names them; where the
    frame says who gave them (see `annotated_manifest`), its label is the annotators' consensus.

    Raises:
        InputError: missing or doubled columns, images themselves in place of paths, paths that leave the root, unknown
            splits, images of several groups.
    """
    columns = columns or {}
    given = {ours: columns.get(ours, ours) for ours in _OURS}
    people = annotated_manifest.recognise(table, columns, where)
    needed = ({"path"} if people else {"path", "label"}) | set(columns)
    missing = [theirs for ours, theirs in given.items() if ours in needed and theirs not in table.columns]
    if missing:
        for name in table.columns[~table.columns.duplicated(keep=False)]:
            refuse_pictures(table[name], where)
        if given["label"] in missing and (classes := several_classes.indicators(table)):
            raise another_task(where, f"a column of 0 and 1 for each class ({few(list(map(repr, classes)))})")
        raise InputError(
            f"{where} has no column {', '.join(map(repr, missing))}; it has {few(list(map(repr, table.columns)), 20)}",
            expected="a path and a label column",
            fix="name them with --path-column, --label-column, --split-column, --group-column; in Python with "
            "columns={'path': …, 'label': …}",
        )
    twice = [theirs for theirs in given.values() if list(table.columns).count(theirs) > 1]
    if twice:
        raise InputError(
            f"{where} has {list(table.columns).count(twice[0])} columns called {twice[0]!r}",
            expected="each name once",
            fix="rename or remove those that are not meant",
        )
    if table.empty:
        raise InputError(f"{where} has no rows", expected="one row per image")
    refuse_pictures(table[given["path"]], where)
    images = pd.DataFrame({"image_id": _manifest_ids(table[given["path"]].tolist(), root, where)})
    for ours in ("label", "split", "group"):
        theirs = table[given[ours]] if given[ours] in table.columns else pd.Series([None] * len(table))
        images[ours] = cell_texts.texts(theirs, where)
    images = images.astype("str")
    if label_separator is not None:
        _no_annotators(people, where)
        images["label"] = label_sets.in_order(images["label"], label_separator)
    texts = images["split"].dropna().unique()
    known = {text: split_of(text) for text in texts}
    unknown = np.flatnonzero(images["split"].notna() & images["split"].map(known).isna())
    if len(unknown):
        raise InputError(
            f"{where}, row {unknown[0] + 2}: split {images['split'].iloc[unknown[0]]!r}",
            expected=f"one of {', '.join(SPLIT_NAMES)}, or nothing",
        )
    images["split"] = images["split"].map(known).astype("str")
    images["given_labels"] = pd.Series(None, index=images.index, dtype="str")
    remarks: list[str] = []
    said = None
    if people is not None:
        said = annotated_manifest.collect(_said(table, people, images, where), where, remarks)
        images = images.assign(label=pd.Series(None, index=images.index, dtype="str"))
        images = images[~images.duplicated()]
    if images["image_id"].duplicated().any():
        images = _once_each(images, where, remarks)
    if said is not None:
        images["label"] = images["image_id"].map(annotated_manifest.consensus(said, remarks)).astype("str")
    if label_separator is None and (note := several_classes.in_cells(images["label"])) is not None:
        remarks.append(note)
    listed = images[list(COLUMNS)].sort_values("image_id", ignore_index=True)
    return Listing(root, listed, notes=remarks, manifest=manifest, annotations=said, label_separator=label_separator)


def _no_annotators(people: annotated_manifest.Columns | None, where: str) -> None:
    if people is not None:
        raise InputError(
            f"{where} has labels by several annotators, and a label separator was given",
            expected="one column of labels, in which several classes are joined",
        )


def _said(table: pd.DataFrame, people: annotated_manifest.Columns, images: pd.DataFrame, where: str) -> pd.DataFrame:
    """image_id, annotator, label: a row per cell with a label, numbered as the rows of the manifest."""
    if people.names is not None:
        names, labels = cell_texts.texts(table[people.names], where), cell_texts.texts(table[people.labels], where)
        return pd.DataFrame({"image_id": images["image_id"], "annotator": names, "label": labels})
    return pd.concat(
        [
            pd.DataFrame(
                {"image_id": images["image_id"], "annotator": name, "label": cell_texts.texts(table[column], where)}
            )
            for name, column in people.by_name.items()
        ]
    )


def read_csv(file: Path) -> pd.DataFrame:
    """The cells of a CSV file as text: in UTF-8 (other bytes are kept), or UTF-16 or UTF-32 as its first bytes tell;
    separated by what its first line is."""
    try:
        with file.open("rb") as opened:
            start = opened.read(1 << 16)
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}") from error
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)
    if encoding is None:
        # English or any other header in UTF-16 without a mark: every second byte of it is 0.
        zeros = [start[0:64:2].count(0), start[1:64:2].count(0)]
        encoding = "utf-16-be" if zeros[0] > 8 > zeros[1] else "utf-16-le" if zeros[1] > 8 > zeros[0] else "utf-8"
    header = start.decode(encoding, "replace").lstrip("\r\n").partition("\n")[0]
    separator = max(_SEPARATORS, key=header.count)
    try:
        table = pd.read_csv(
            file,
            header=None,  # pandas would rename a column that comes twice, and shift rows longer than the header
            dtype=object,
            keep_default_na=False,
            sep=separator,
            encoding=encoding,
            encoding_errors="surrogateescape" if encoding.startswith("utf-8") else "strict",
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError) as error:
        raise InputError(
            f"{file} is no readable CSV file ({encoding}): {str(error).strip()}",
            expected="a header row, and as many cells in every other",
        ) from error
    names = table.iloc[0].tolist()
    return table.iloc[1:].reset_index(drop=True).set_axis(names, axis="columns")


def _once_each(images: pd.DataFrame, where: str, remarks: list[str]) -> pd.DataFrame:
    """One row for each image: of several splits the one that no image may leak from, of several labels none."""
    unique = images.drop_duplicates()
    if repeated := len(images) - len(unique):
        remarks.append(f"{repeated:,} repeated rows of the manifest were counted once")
    again = unique[unique["image_id"].duplicated(keep=False)]
    by_image = again.groupby("image_id")
    groups = by_image["group"].nunique(dropna=False)
    if (several := groups.index[groups > 1]).size:
        rows = [str(i + 2) for i in images.index[images["image_id"] == several[0]]]
        raise InputError(
            f"{where} gives {len(several):,} images different groups: {few([shown(name) for name in several])} (the "
            f"first in rows {', '.join(rows[:5])})",
            expected="one group per image: persons, patients or cameras that must stay on one side of a split",
        )
    result = unique.drop_duplicates("image_id").set_index("image_id")
    splits = by_image["split"].nunique()
    if len(again):
        order = {name: n for n, name in enumerate(reversed(SPLITS))}  # test, val, train
        ranked = again.assign(rank=again["split"].map(order).fillna(len(order))).sort_values("rank", kind="stable")
        first = ranked.drop_duplicates("image_id").set_index("image_id")["split"]
        result.loc[first.index, "split"] = first
    if (several := splits.index[splits > 1]).size:
        remarks.append(
            f"WARNING: {len(several):,} images are listed in more than one split, and count as test, else as val: "
            f"{few([shown(name) for name in several])}"
        )
    labels = by_image["label"].nunique()
    several = labels.index[labels > 1]
    lists = again.dropna(subset=["label"]).groupby("image_id")["label"].agg(lambda names: sorted(set(names)))
    result.loc[lists.index, "label"] = lists.str[0]  # a row without label says nothing against one that has one
    if several.size:
        result.loc[several, "given_labels"] = [json.dumps(lists[name], ensure_ascii=False) for name in several]
        result.loc[several, "label"] = None
        some = few([f"{shown(name)} ({', '.join(map(shown, lists[name]))})" for name in several])
        remarks.append(
            f"WARNING: {len(several):,} {'image has' if len(several) == 1 else 'images have'} several labels, and none "
            f"until you decide (check conflicting_label): {some}"
            + (f"; {several_classes.SENTENCE}" if 2 * several.size > len(result) else "")
        )
    return result.reset_index()


def _manifest_ids(values: Iterable[object], root: Path, where: str) -> list[str]:
    texts = [value if type(value) is str else cell_texts.text_of(value) or "" for value in values]
    paths = [os.path.normpath(text) for text in texts]
    sound = _is_name("".join(texts))
    inside, real = f"{root}/", cache(os.path.realpath)
    for i, path in enumerate(paths):
        if path.startswith(inside) and sound:
            paths[i] = path[len(inside) :]
        elif path[0] in "./" or not sound:
            paths[i] = _inside(texts[i], path, root, f"{where}, row {i + 2}", real)
    return to_image_id("\0".join(paths)).split("\0")


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
