"""Cleaned table → files on disk: written into a hidden folder beside OUT, proven there, and only then renamed, so
that OUT appears whole and proven or not at all. The source is only read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from imageclinic.cleaning.export import (
    balance,
    datasheet,
    export_facts,
    layouts,
    loading_code,
    output_folder,
    place_file,
)
from imageclinic.cleaning.export.export_diff import diff
from imageclinic.cleaning.export.layouts import FORMATS
from imageclinic.cleaning.export.place_file import LINKS
from imageclinic.cleaning.export.proof import Proof, verify
from imageclinic.cleaning.split.stratified_split import split_groups
from imageclinic.core import tables
from imageclinic.core.errors import Failed, InputError
from imageclinic.core.run import Run

__all__ = ["FORMATS", "LINKS", "Proof", "diff", "export", "verify"]

#: Writes records of images into the export: (manifest, files, folder, progress); see `training.data.tfrecord.write`.
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
    balanced: str = "none",
    seed: int = 0,
    encoded: pd.DataFrame | None = None,
    options: Mapping[str, object] | None = None,
    notes: Sequence[str] = (),
    pack: Pack | None = None,
    prove: Callable[[Path], list[Proof]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write the cleaned dataset to `out`. The same input gives the same files, byte by byte.

    Args:
        cleaned: see `cleaning.decisions.apply.apply`.
        splits: tables.SPLIT_TABLE, a row for every cleaned image (see `cleaning.split.stratified_split.assign`).
        clusters: tables.CLUSTERS.
        changes: see `cleaning.decisions.apply.apply`.
        run: the audited run: where the images are, and the counts before.
        out: a new or empty folder, outside the dataset and the run.
        format: ``folders`` (OUT/split/class/file), ``manifest`` (manifest.csv that points to the source),
            ``imagefolder`` and ``fiftyone`` (folders with the index that Hugging Face's and FiftyOne's loaders read),
            or ``tfrecord`` (shards).
        link: ``copy``; ``hardlink`` or ``symlink`` save space, but whoever edits such a file edits the source;
            ``reflink`` saves it without that, where the file system can.
        current: what stands decided, for the manifest's column ``decision`` (see
            `cleaning.decisions.decision_log.current`).
        balanced: whether and how to balance the training images (see `cleaning.export.balance.files`), by a file beside
            them.
        seed: of `balanced`.
        encoded: image_id, file, why of images that were encoded anew (see `cleaning.export.encode_images.encode`):
            `cleaned` has their new content, and the run's dataset table that of the source.
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
    _check_choice("balance", balanced, balance.BALANCES)
    if format == "tfrecord" and link != "copy":
        raise InputError(f"--link {link} with --format tfrecord", expected="copy: records hold the images' bytes")
    if format == "tfrecord" and balanced.endswith("sample"):
        raise InputError(
            f"--balance {balanced} with --format tfrecord", expected="weights: records can't be named by a manifest"
        )
    if format == "manifest" and encoded is not None:
        raise InputError(
            "images that are encoded anew with --format manifest",
            expected="a format that holds images, such as folders",
        )
    if cleaned.empty:
        raise InputError("no image is left to export", fix="take back decisions with imageclinic decide --undo")
    manifest = _manifest(cleaned, splits, clusters, changes, current)
    sources = [run.image_path(image_id) for image_id in manifest["image_id"]]
    place_of = output_folder.check(out, run, sources)
    if encoded is not None:
        manifest["original_sha256"] = _original(manifest, encoded, run)
        changes = _with_encoded(changes, manifest, encoded)
        files = dict(zip(encoded["image_id"], encoded["file"], strict=True))
        sources = [files.get(image_id, source) for image_id, source in zip(manifest["image_id"], sources, strict=True)]
    if format == "manifest":
        manifest["path"] = [layouts.relative(source, place_of) for source in sources]
    else:
        image_format = manifest["image_id"].map(cleaned.set_index("image_id")["format"])
        manifest["path"] = layouts.paths(manifest, image_format, format)
    flags = {**(options or {}), "balance": balanced, "seed": seed, "format": format, "link": link}
    about = export_facts.of(manifest, changes, run, format, flags, notes)
    beside = {**layouts.indexes(manifest, format), **balance.files(manifest, balanced, about["classes"], seed)}
    sides = cleaned[["height", "width"]].median()
    size = (96, 96) if sides.isna().any() else (int(sides["height"]), int(sides["width"]))
    with output_folder.writing(place_of) as partial:
        if format != "manifest" and link == "copy":
            output_folder.check_space(int(cleaned["bytes"].sum()), partial)
        _put_all(manifest, sources, partial, format, link, pack, progress or (lambda done, total: None))
        for path, content in beside.items():
            tables.write_text(partial / path, content)
        tables.write_csv(partial / tables.MANIFEST.file, manifest, tables.MANIFEST)
        tables.write_json(partial / export_facts.FILE, about)
        load = loading_code.lines(format, balanced, {name: n for name, n in about["images"].items() if n}, size)
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
    rows = zip(sources, manifest["path"], manifest["sha256"], manifest["original_sha256"], strict=True)
    for done, (source, path, sha256, new) in enumerate(rows, 1):
        how = link if pd.isna(new) else "copy"
        place_file.put(source, None if format == "manifest" else partial / path, sha256, how)
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


def _original(manifest: pd.DataFrame, encoded: pd.DataFrame, run: Run) -> pd.Series:
    """The hash of the source of each image that was encoded anew; null for the others."""
    source = run.read(tables.DATASET).set_index("image_id")["sha256"]
    at = manifest["image_id"]
    return at.map(source).where(at.isin(encoded["image_id"])).astype("str")


def _with_encoded(changes: pd.DataFrame, manifest: pd.DataFrame, encoded: pd.DataFrame) -> pd.DataFrame:
    """The changes, and a row for each exported image that was encoded anew."""
    rows = encoded.loc[encoded["image_id"].isin(manifest["image_id"]), ["image_id", "why"]]
    label = rows["image_id"].map(manifest.set_index("image_id")["label"])
    rows = rows.assign(change="encoded", from_label=label, to_label=label, reviewer=None)
    return pd.concat([changes, rows[changes.columns].astype("str")], ignore_index=True)
