"""Composes an export (decisions → cleaned table → split → files → proof), and repeats the proof."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from audit import copies, neighbors, scan, tables
from audit.errors import InputError
from audit.run import create
from imageclinic.deciding import State, load
from imageclinic.stages import Say, Stage, quiet, silent


def export(
    run: str | Path,
    out: str | Path,
    *,
    split: tuple[float, float, float] = (0.8, 0.1, 0.1),
    format: str = "folders",
    link: str = "copy",
    keep_split: str | Path | None = None,
    seed: int = 0,
    stage: Stage = quiet,
    say: Say = silent,
) -> dict[str, Any]:
    """Write the cleaned dataset to `out`, split so that copies stay together, and prove it.

    The images that the audit froze as test stay test; `split` divides the rest (and, where the audit found no test
    images, everything). `keep_split`, the manifest.csv of an earlier export or its folder, puts the images that it
    lists where they were, and only divides the new ones. `out` appears whole or not at all.

    Returns:
        The export's summary, with ``proofs``: name, ok and detail of each.

    Raises:
        InputError: bad arguments, `out` inside the dataset or not empty, a class without training images, a
            `keep_split` of other images, a source file that changed since the audit.
    """
    from cleaning import apply
    from cleaning import export as exporter
    from cleaning.split import require_training

    state = load(run)
    cleaned, changes = apply.apply(state.dataset, state.current)
    with stage("Looking for copies") as progress:
        clusters = regroup(state, cleaned, progress=progress)
    old = None if keep_split is None else _earlier(Path(keep_split), cleaned)
    splits, notes = assign(dataclasses.replace(state, clusters=clusters), cleaned, split, seed, old)
    require_training(cleaned, splits)
    for note in notes:
        say(note)
    with stage("Exporting and proving") as progress:
        summary = exporter.export(
            cleaned,
            splits,
            clusters,
            changes,
            state.run,
            Path(out),
            format=format,
            link=link,
            current=state.current,
            options={
                "split": ",".join(f"{share:g}" for share in split),
                **({} if keep_split is None else {"keep-split": keep_split}),
                "seed": seed,
            },
            notes=notes,
            pack=_pack,
            prove=lambda folder: exporter.verify(folder, _find_pairs(progress), unpack=_unpack, progress=progress),
            progress=progress,
        )
    return {**summary, "proofs": [dataclasses.asdict(proof) for proof in summary["proofs"]]}


def regroup(state: State, cleaned: pd.DataFrame, *, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
    """The clusters table, with split groups that also hold the copies found among the cleaned images alone.

    How alike copies must look is measured on the images that are no copies (`audit.looks`), and cleaning changes
    those: among fewer images a pair may stand out that did not among all. The proof looks at the cleaned images.
    """
    kept = cleaned.loc[cleaned["label"].notna(), "image_id"]
    features = state.run.read(tables.FEATURES)
    pairs, _, _ = copies.find(
        state.dataset[state.dataset["image_id"].isin(kept)],
        features[features["image_id"].isin(kept)],
        state.run.read_thumbnails(),
        state.run.image_path,
        progress=progress,
    )
    before = state.clusters.set_index("image_id")
    groups = neighbors.cluster(pairs, before["split_group"])[["image_id", "split_group"]]
    return tables.validate(groups.assign(cluster=groups["image_id"].map(before["cluster"])), tables.CLUSTERS)


def assign(
    state: State,
    cleaned: pd.DataFrame,
    shares: tuple[float, float, float],
    seed: int,
    old: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Splits for a cleaned table: frozen test images stay test, the rest is divided by `shares`.

    What the dataset's own split says comes first; then `old`, the manifest of an earlier export; then the test images
    that the audit drew.
    """
    from cleaning import split

    grouped = cleaned.merge(state.clusters[["image_id", "split_group"]], on="image_id", how="left")
    frozen = state.splits[state.splits["split"] == "test"]
    own = state.dataset.loc[state.dataset["split"].isin(["val", "test"]), "image_id"]
    if len(own):
        # The dataset's own validation images stay, too; only what it left open is drawn.
        frozen = state.splits[state.splits["split"].eq("test") | state.splits["image_id"].isin(own)]
    closed_val = frozen["split"].eq("val").any()
    notes = []
    if old is not None:
        before = split.keep(grouped, old)
        before = before[~before["image_id"].isin(own)]
        frozen = pd.concat([before, frozen[~frozen["image_id"].isin(before["image_id"])]], ignore_index=True)
        notes.append(f"{len(before):,} images are in the splits that the earlier export gave them.")
    if not len(frozen):
        return split.assign(grouped, shares, seed=seed)
    train, val, _ = shares
    open_shares = (train, 0.0 if closed_val else val, 0.0 if frozen["split"].eq("test").any() else shares[2])
    splits, deviations = split.assign(grouped, open_shares, seed=seed, fixed=frozen)
    return splits, notes + deviations


def _earlier(path: Path, cleaned: pd.DataFrame) -> pd.DataFrame:
    """The manifest of an earlier export. Raises InputError when it is of other images."""
    manifest = tables.read_csv(path / tables.MANIFEST.file if path.is_dir() else path, tables.MANIFEST)
    if not (cleaned["image_id"].isin(manifest["image_id"]) | cleaned["sha256"].isin(manifest["sha256"])).any():
        raise InputError(
            f"no image of this run is in {path}",
            expected="the manifest.csv of an earlier export of these images",
            fix="leave --keep-split out for a new split",
        )
    return manifest


def verify(out: str | Path, *, stage: Stage = quiet) -> pd.DataFrame:
    """Prove an export again: hashes, counts, classes, no copies in two splits. A frame with name, ok and detail.

    The pairs of copies are computed anew from the exported files; the manifest is not trusted.
    """
    from cleaning.verify import verify as prove

    with stage("Verifying") as progress:
        proofs = prove(Path(out), _find_pairs(progress), unpack=_unpack, progress=progress)
    return pd.DataFrame([dataclasses.asdict(proof) for proof in proofs])


def _pack(manifest: pd.DataFrame, files: Sequence[Path], folder: Path, progress: Callable[[int, int], None]) -> None:
    """Write records; see `training.tfrecord.write`. TensorFlow is loaded only here and in `_unpack`."""
    _tfrecord().write(manifest, files, folder, progress)


def _unpack(out: Path, folder: Path) -> pd.DataFrame:
    """Read records; see `training.tfrecord.unpack`."""
    records: pd.DataFrame = _tfrecord().unpack(out, folder)
    return records


def _tfrecord() -> Any:
    import training

    training.load_tensorflow()
    from training import tfrecord

    return tfrecord


def _find_pairs(progress: Callable[[int, int], None]) -> Callable[[Path], pd.DataFrame]:
    def find(folder: Path) -> pd.DataFrame:
        # The manifest only says which files to look at; that there are no others is a proof of its own.
        manifest = tables.read_csv(folder / tables.MANIFEST.file, tables.MANIFEST)
        listing = pd.DataFrame({"image_id": sorted(set(manifest["path"])), "label": None, "split": None, "group": None})
        with tempfile.TemporaryDirectory(prefix="imageclinic-verify-") as scratch:
            run = create(Path(scratch))
            dataset, features = scan.scan(run, listing, folder, progress=progress)
            pairs, _, _ = copies.find(
                dataset, features, run.read_thumbnails(), lambda i: folder / tables.to_path(i), progress=progress
            )
        return pairs

    return find


def diff(one: str | Path, two: str | Path) -> pd.DataFrame:
    """What changed between two exports: a frame with image_id, change, before, after."""
    from cleaning.diff import diff as compare

    return compare(Path(one), Path(two))
