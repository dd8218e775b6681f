"""Cleaned table → files on disk: written into a hidden folder beside OUT, proven there, and only then renamed, so
that OUT appears whole and proven or not at all. The source is only read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from audit import tables
from audit.errors import Failed, InputError
from audit.run import Run
from cleaning import datasheet, facts, layouts, loading, place, target
from cleaning.diff import diff
from cleaning.layouts import FORMATS
from cleaning.place import LINKS
from cleaning.split import split_groups
from cleaning.verify import Proof, verify

__all__ = ["FORMATS", "LINKS", "Proof", "diff", "export", "verify"]

#: Writes records of images into the export: (manifest, files, folder, progress); see `training.tfrecord.write`.
Pack = Callable[[pd.DataFrame, Sequence[Path], Path, Callable[[int, int], None]], None]


def export(
    cleaned: pd.DataFrame,
    splits: pd.DataFrame,
    clusters: pd.DataFrame,
    changes: pd.DataFrame,
    run: Run,
    out: Path,
    *,
    format: str = "folders",
    link: str = "copy",
    current: pd.DataFrame | None = None,
    options: Mapping[str, object] | None = None,
    notes: Sequence[str] = (),
    pack: Pack | None = None,
    prove: Callable[[Path], list[Proof]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write the cleaned dataset to `out`. The same input gives the same files, byte by byte.

    Args:
        cleaned: see `cleaning.apply.apply`.
        splits: tables.SPLIT_TABLE, a row for every cleaned image (see `cleaning.split.assign`).
        clusters: tables.CLUSTERS.
        changes: see `cleaning.apply.apply`.
        run: the audited run: where the images are, and the counts before.
        out: a new or empty folder, outside the dataset and the run.
        format: ``folders`` (OUT/split/class/file), ``manifest`` (manifest.csv that points to the source),
            ``imagefolder`` and ``fiftyone`` (folders with the index that Hugging Face's and FiftyOne's loaders read),
            or ``tfrecord`` (shards).
        link: ``copy``; ``hardlink`` or ``symlink`` save space, but whoever edits such a file edits the source;
            ``reflink`` saves it without that, where the file system can.
        current: what stands decided, for the manifest's column ``decision`` (see
            `cleaning.decisions.current`).
        options: further options of the command, for the instructions in DATASET.md.
        notes: sentences about the split, for DATASET.md.
        pack: writes the records of ``tfrecord``.
        prove: reads the folder back before it is renamed to `out`.
        progress: called with (done, total) images.

    Returns:
        out, format, link, images, classes, splits (name → images), changes (kind → images), notes, proofs.

    Raises:
        InputError: for a wrong option; an `out` that is not empty or overlaps with the dataset or the run; an
            image that is missing, changed since the audit, or without split; a disk that is full or can't
            link; another export to `out` at the same time. `out` is as it was before.
        Failed: what was written does not hold what it promises; `out` is as it was before.
    """
    _check_choice("format", format, FORMATS)
    _check_choice("link", link, LINKS)
    if format == "tfrecord" and link != "copy":
        raise InputError(f"--link {link} with --format tfrecord", expected="copy: records hold the images' bytes")
    if cleaned.empty:
        raise InputError("no image is left to export", fix="take back decisions with imageclinic decide --undo")
    manifest = _manifest(cleaned, splits, clusters, changes, current)
    sources = [run.image_path(image_id) for image_id in manifest["image_id"]]
    place_of = target.check(out, run, sources)
    if format == "manifest":
        manifest["path"] = [layouts.relative(source, place_of) for source in sources]
    else:
        image_format = manifest["image_id"].map(cleaned.set_index("image_id")["format"])
        manifest["path"] = layouts.paths(manifest, image_format, format)
    about = facts.of(manifest, changes, run, format, {**(options or {}), "format": format, "link": link}, notes)
    sides = cleaned[["height", "width"]].median()
    size = (96, 96) if sides.isna().any() else (int(sides["height"]), int(sides["width"]))
    with target.writing(place_of) as partial:
        if format != "manifest" and link == "copy":
            target.check_space(int(cleaned["bytes"].sum()), partial)
        _put_all(manifest, sources, partial, format, link, pack, progress or (lambda done, total: None))
        for path, content in layouts.indexes(manifest, format).items():
            tables.write_text(partial / path, content)
        tables.write_csv(partial / tables.MANIFEST.file, manifest, tables.MANIFEST)
        tables.write_json(partial / facts.FILE, about)
        load = loading.lines(format, {name: n for name, n in about["images"].items() if n}, size)
        tables.write_text(partial / datasheet.FILE, datasheet.text(manifest, changes, run, about, load))
        proofs = prove(partial) if prove else []
        broken = [f"{proof.name}: {proof.detail}" for proof in proofs if not proof.ok]
        if broken:
            raise Failed(
                f"what was written does not hold what it promises ({'; '.join(broken)}). {out} was not made. "
                "Export again; if that fails too, tell us, with these words"
            )
    return {
        "out": str(place_of),
        "format": format,
        "link": link,
        "images": len(manifest),
        "classes": int(manifest["label"].nunique()),
        "splits": about["images"],
        "changes": about["changes"],
        "notes": list(notes),
        "proofs": proofs,
    }


def _check_choice(option: str, value: str, valid: Sequence[str]) -> None:
    if value not in valid:
        raise InputError(f"unknown {option} {value!r}", expected=f"one of {', '.join(valid)}")


def _put_all(
    manifest: pd.DataFrame,
    sources: Sequence[Path],
    partial: Path,
    format: str,
    link: str,
    pack: Pack | None,
    progress: Callable[[int, int], None],
) -> None:
    """Write the images, as files or records; of the format ``manifest`` only the source's content is checked."""
    if format == "tfrecord":
        if pack is None:
            raise InputError("nobody writes the records", expected="the argument pack")
        pack(manifest, sources, partial, progress)
        return
    if format != "manifest":
        layouts.make_folders(manifest, partial)
    for done, (source, path, sha256) in enumerate(zip(sources, manifest["path"], manifest["sha256"], strict=True), 1):
        place.put(source, None if format == "manifest" else partial / path, sha256, link)
        progress(done, len(manifest))


def _manifest(
    cleaned: pd.DataFrame,
    splits: pd.DataFrame,
    clusters: pd.DataFrame,
    changes: pd.DataFrame,
    current: pd.DataFrame | None,
) -> pd.DataFrame:
    """The manifest, sorted by image_id, its column path still empty."""
    rows = cleaned.sort_values("image_id", ignore_index=True)
    at = rows["image_id"]
    split = at.map(splits.set_index("image_id")["split"])
    lost = at[split.isna() | rows["sha256"].isna()]
    if len(lost):
        raise InputError(
            f"{len(lost)} images, such as {lost.iloc[0]}, have no split or no content hash",
            expected="a row in splits for every image",
        )
    relabelled = changes[changes["change"] == "relabelled"].set_index("image_id")
    original = rows["label"].where(~at.isin(relabelled.index), at.map(relabelled["from_label"]))
    decision = pd.Series(None, index=rows.index, dtype="str").mask(at.isin(relabelled.index), "relabel")
    if current is not None:
        decided = at.map(current.set_index("image_id")["decision"]).astype("str")
        decision = decision.fillna(decided.where(decided.isin(["keep", "relabel"])))
    return tables.frame(
        tables.MANIFEST,
        image_id=at,
        path="",
        label=rows["label"],
        original_label=original,
        split=split,
        split_group=split_groups(at, clusters),
        sha256=rows["sha256"],
        decision=decision,
    )
