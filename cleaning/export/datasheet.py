"""DATASET.md: what an export holds, what was changed and by whom, how to load it, how to make it again."""

from __future__ import annotations

import html
import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from imageclinic.cleaning.export import export_facts
from imageclinic.core import tables
from imageclinic.core.naming import label_sets
from imageclinic.core.rows import lookup
from imageclinic.core.run import Run

FILE = "DATASET.md"
_KINDS = {
    "dropped": "Dropped",
    "relabelled": "Relabelled",
    "encoded": "Re-encoded, because Keras's loaders could not read them or showed another picture, or for damage",
    "unreadable": "Not exported because they can't be decoded",
    "unlabelled": "Not exported because they have no label",
}


def text(manifest: pd.DataFrame, changes: pd.DataFrame, run: Run, about: Mapping[str, Any], loading: str) -> str:
    """The text of DATASET.md: depends on the arguments and the run's tables only (no times, no places).

    Args:
        manifest: tables.MANIFEST.
        changes: see `cleaning.decisions.apply.apply`.
        run: the audited run.
        about: see `cleaning.export.export_facts.of`.
        loading: see `cleaning.export.balance.loading_code`.
    """
    dataset, separator = run.read(tables.DATASET, ["image_id", "label", "split"]), about.get(label_sets.KEY)
    by = ", ".join(_plain(who) for who in about["decisions"]["by"]) or "nobody"
    parts = [
        f"# {_plain(about['dataset']['name'])}, cleaned",
        f"{len(manifest)} images of {len(about['classes'])} classes, from {len(dataset)} files audited by "
        f"imageclinic. Decided by: {by}. Copies of one picture and images of one group are never in two splits. "
        "`manifest.csv` has a row for each image: where it came from, its label before and after, its split and the "
        "hash of its content.",
        "## Classes",
        _numbers(separator),
        _counts(
            label_sets.by_class(dataset, separator), label_sets.by_class(manifest, separator), run, about["classes"]
        ),
        *(["## What was left out", _listed(about["left_out"]["notes"])] if about["left_out"]["notes"] else []),
        *(["## Values", _listed(r["sentence"] for r in about["value_range"].values())] if about["value_range"] else []),
        "## Load it with Keras",
        f"```python\n{loading}\n```",
        "## What was changed",
        *_changes(changes),
        "## The split",
        _listed(about["notes"]) or "As asked, without deviations.",
        "## Make it again, prove it again",
        "```\n" + _commands(about["options"]) + "\n```",
        f"The same run gives the same files. Audited content: sha256 {about['dataset']['sha256']}. decisions.csv: "
        f"sha256 {about['decisions']['sha256']}. `{export_facts.FILE}` holds these facts for machines.",
    ]
    return "\n\n".join(parts) + "\n"


def _numbers(separator: str | None) -> str:
    if separator is None:
        return "Class numbers are those of `classes.json` and of the column `class_index` of `manifest.csv`."
    return (
        "An image may have several classes, which the column `label` of `manifest.csv` joins by "
        f"{_plain(separator)} and export.json lists. It counts once for each of them, in the last line, too."
    )


def _listed(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {_plain(sentence)}" for sentence in sentences)


def _counts(dataset: pd.DataFrame, manifest: pd.DataFrame, run: Run, classes: Sequence[str]) -> str:
    """Number of each class, and its images: given label and frozen split before, label and split after. Classes of
    which nothing is left come last, without a number."""
    before = dataset[dataset["label"].notna()]
    frozen: pd.Series = before["split"]
    if run.has(tables.SPLIT_TABLE):
        frozen = lookup.values(before["image_id"], run.read(tables.SPLIT_TABLE), "split")
    sides = [
        pd.crosstab(label, split).reindex(columns=list(tables.SPLITS), fill_value=0)
        for label, split in ((before["label"], frozen.fillna("none")), (manifest["label"], manifest["split"]))
    ]
    all_before = before["label"].value_counts()
    all_after = manifest["label"].value_counts()
    number = {name: n for n, name in enumerate(classes)}
    rows = [
        [
            number.get(c, "–"),
            _plain(c),
            all_before.get(c, 0),
            *_row(sides[0], c),
            all_after.get(c, 0),
            *_row(sides[1], c),
        ]
        for c in [*classes, *sorted(set(all_before.index) - set(classes))]
    ]
    total = ["", "all", len(before), *sides[0].sum().tolist(), len(manifest), *sides[1].sum().tolist()]
    inside = [f"in {split}" for split in tables.SPLITS]
    head = ["number", "class", "before", *inside, "after", *inside]
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


def _commands(options: Mapping[str, object]) -> str:
    flags = "".join(
        f" --{name}" + (f" {shlex.quote(str(value))}" if value != "" else "") for name, value in options.items()
    )
    return f"imageclinic export RUN OUT{flags}\nimageclinic verify OUT"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _plain(value: object) -> str:
    """Text that Markdown and HTML show as it is."""
    clean = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in str(value))
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", html.escape(clean, quote=False))
