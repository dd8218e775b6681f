"""DATASET.md: what an export holds, what was changed and by whom, how to load it, how to make it again."""

from __future__ import annotations

import hashlib
import html
import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from audit import tables
from audit.run import Run

FILE = "DATASET.md"
_KINDS = {
    "dropped": "Dropped",
    "relabelled": "Relabelled",
    "unreadable": "Not exported because they can't be decoded",
    "unlabelled": "Not exported because they have no label",
}


def text(
    manifest: pd.DataFrame,
    cleaned: pd.DataFrame,
    changes: pd.DataFrame,
    run: Run,
    format: str,
    options: Mapping[str, object],
    notes: Sequence[str],
) -> str:
    """The text of DATASET.md: depends on the arguments and the run's tables only (no times, no places).

    Args:
        manifest: tables.MANIFEST.
        cleaned: the cleaned table (sizes, for the loading example).
        changes: see `cleaning.apply.apply`.
        run: the audited run.
        format: see `cleaning.export.export`.
        options: of the command line, for the reproduction.
        notes: on the split.
    """
    dataset = run.read(tables.DATASET)
    name = _plain(run.root.name)
    by = ", ".join(_plain(who) for who in sorted(_people(changes))) or "nobody"
    parts = [
        f"# {name}, cleaned",
        f"{len(manifest)} images of {manifest['label'].nunique()} classes, from {len(dataset)} files audited by "
        f"imageclinic. Decided by: {by}. Copies of one picture and images of one group are never in two splits. "
        "`manifest.csv` has a row for each image: where it came from, its label before and after, its split and the "
        "hash of its content.",
        "## Classes",
        _counts(dataset, manifest, run),
        "## Load it with Keras",
        f"```python\n{loading(format, manifest, cleaned)}\n```",
        "## What was changed",
        *_changes(changes),
        "## The split",
        "\n".join(f"- {_plain(note)}" for note in notes) or "As asked, without deviations.",
        "## Make it again, prove it again",
        "```\n" + _commands(options) + "\n```",
        _origin(run, dataset),
    ]
    return "\n\n".join(parts) + "\n"


def loading(format: str, manifest: pd.DataFrame, cleaned: pd.DataFrame) -> str:
    """The lines of Keras that load the export, run in its folder: one for each split, or three for a
    manifest."""
    sides = cleaned[["height", "width"]].median()
    height, width = (96 if pd.isna(side) else int(side) for side in sides)
    if format == "folders":
        return "\n".join(
            f'{split} = keras.utils.image_dataset_from_directory("{split}", image_size=({height}, {width})'
            + (")" if split == "train" else ", shuffle=False)")
            for split in tables.SPLITS
            if (manifest["split"] == split).any()
        )
    return (
        'rows = pandas.read_csv("manifest.csv").query("split == \'train\'")\n'
        f"load = lambda path: keras.utils.img_to_array(keras.utils.load_img(path, target_size=({height}, {width})))\n"
        'x, y = numpy.stack([load(p) for p in rows["path"]]), pandas.factorize(rows["label"], sort=True)[0]'
    )


def _counts(dataset: pd.DataFrame, manifest: pd.DataFrame, run: Run) -> str:
    """Images of each class: given label and frozen split before, label and split after."""
    before = dataset[dataset["label"].notna()]
    frozen: pd.Series = before["split"]
    if run.has(tables.SPLIT_TABLE):
        frozen = before["image_id"].map(run.read(tables.SPLIT_TABLE).set_index("image_id")["split"])
    sides = [
        pd.crosstab(label, split).reindex(columns=list(tables.SPLITS), fill_value=0)
        for label, split in ((before["label"], frozen.fillna("none")), (manifest["label"], manifest["split"]))
    ]
    all_before = before["label"].value_counts()
    all_after = manifest["label"].value_counts()
    rows = [
        [_plain(c), all_before.get(c, 0), *_row(sides[0], c), all_after.get(c, 0), *_row(sides[1], c)]
        for c in sorted({*all_before.index, *all_after.index})
    ]
    total = ["all", len(before), *sides[0].sum().tolist(), len(manifest), *sides[1].sum().tolist()]
    inside = [f"in {split}" for split in tables.SPLITS]
    head = ["class", "before", *inside, "after", *inside]
    return _table(head, [*rows, total])


def _row(table: pd.DataFrame, name: str) -> list[int]:
    return table.loc[[name]].to_numpy()[0].tolist() if name in table.index else [0] * len(tables.SPLITS)


def _changes(changes: pd.DataFrame) -> list[str]:
    parts = []
    for kind, title in _KINDS.items():
        rows = changes[changes["change"] == kind]
        if len(rows):
            head = ["image", "label", "now", "why", "by"]
            cells = rows[["image_id", "from_label", "to_label", "why", "reviewer"]].astype(object)
            parts.append(f"### {title}: {len(rows)}")
            parts.append(_table(head, cells.where(cells.notna(), "").to_numpy().tolist()))
    return parts or ["Nothing."]


def _people(changes: pd.DataFrame) -> set[str]:
    return {who for names in changes["reviewer"].dropna() for who in names.split(";")}


def _commands(options: Mapping[str, object]) -> str:
    flags = "".join(f" --{name} {shlex.quote(str(value))}" for name, value in options.items())
    return f"imageclinic export RUN OUT{flags}\nimageclinic verify OUT"


def _origin(run: Run, dataset: pd.DataFrame) -> str:
    """What must be equal for the same export: the content that was audited, and the decisions."""
    content = hashlib.sha256()
    for image_id, sha in zip(dataset["image_id"], dataset["sha256"].fillna(""), strict=True):
        content.update(f"{image_id}\0{sha}\n".encode())
    log = run.decisions.read_bytes() if run.decisions.exists() else b""
    return (
        f"The same run gives the same files. Audited content: sha256 {content.hexdigest()}. "
        f"decisions.csv: sha256 {hashlib.sha256(log).hexdigest()}."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _plain(value: object) -> str:
    """Text that Markdown and HTML show as it is."""
    clean = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in str(value))
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", html.escape(clean, quote=False))
