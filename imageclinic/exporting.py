"""Composes an export (decisions → cleaned table → split → files → proof), and repeats the proof."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from audit import copies, neighbors, scan, tables
from audit.errors import InputError
from audit.run import create
from imageclinic.deciding import State, load
from imageclinic.stages import Say, Stage, quiet, silent

if TYPE_CHECKING:
    from imageclinic.reencoding import Reencoded


def export(
    run: str | Path,
    out: str | Path,
    *,
    split: Sequence[float | None] = (0.8, 0.1, 0.1),
    format: str = "folders",
    link: str = "copy",
    keep_split: str | Path | None = None,
    balance: str = "none",
    reencode: str = "none",
    seed: int = 0,
    stage: Stage = quiet,
    say: Say = silent,
) -> dict[str, Any]:
    """Write the cleaned dataset to `out`, split so that copies stay together, and prove it.

    The images that the audit froze as test stay test; `split` divides the rest (and, where the audit found no test
    images, everything). `out` appears whole and proven, or not at all.

    Args:
        run: an audited run.
        out: a new or empty folder, outside the dataset and the run.
        split: shares of train, val and test, which sum to 1 (or 100); or so many images of each, and None in one place
            for the rest: what counts leave out is not exported.
        format, link: see `cleaning.export.export`.
        keep_split: the manifest.csv of an earlier export or its folder: puts the images that it lists where they were,
            and only divides the new ones.
        balance: ``weights`` (a file of class weights), ``oversample`` or ``undersample`` (a manifest that says how
            often to show each training image), or ``none``; validation and test are never changed.
        reencode: ``png`` or ``jpeg``, for the images that Keras's folder loader can't read and the damaged ones that
            were decided to be kept; or ``none``.
        seed: of the split and the balance.
        stage, say: progress.

    Returns:
        The export's summary, with ``proofs``: name, ok and detail of each.

    Raises:
        InputError: bad arguments, `out` inside the dataset or not empty, a class without training images, a
            `keep_split` of other images, a source file that changed since the audit.
        Failed: a proof does not hold.
    """
    from cleaning import apply
    from cleaning import export as exporter
    from cleaning.reencode import CHOICES
    from cleaning.split import require_training
    from imageclinic import reencoding

    demand = demanded(split)
    if reencode not in CHOICES:
        raise InputError(f"unknown reencode {reencode!r}", expected=f"one of {', '.join(CHOICES)}")
    state = load(run)
    with tempfile.TemporaryDirectory(prefix="imageclinic-encoded-") as scratch:
        new, reasons = None, reencoding.unloadable(state)
        if reencode != "none":
            with stage("Encoding anew") as progress:
                new = reencoding.reencoded(state, reasons, reencode, Path(scratch), progress)
            state = reencoding.mended(state, new)
        cleaned, changes = apply.apply(state.dataset, state.current)
        with stage("Looking for copies") as progress:
            clusters = regroup(state, cleaned, new=new, progress=progress)
        old = None if keep_split is None else _earlier(Path(keep_split), cleaned)
        splits, notes = assign(dataclasses.replace(state, clusters=clusters), cleaned, demand, seed, old)
        cleaned = cleaned[cleaned["image_id"].isin(splits["image_id"])]
        require_training(cleaned, splits)
        unread = reasons[reasons.index.isin(cleaned["image_id"])]
        if len(unread) and new is None:
            first = f"{unread.index[0]}: {unread.iloc[0]}"
            notes.append(
                f"Keras's folder loader stops at, skips or misreads {len(unread):,} images ({first}) "
                "--reencode png mends that."
            )
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
                balanced=balance,
                seed=seed,
                encoded=None if new is None else new.files,
                options={
                    "split": ",".join("rest" if part is None else f"{part:.12g}" for part in split),
                    **({} if keep_split is None else {"keep-split": keep_split}),
                    "reencode": reencode,
                },
                notes=notes,
                pack=_pack,
                prove=lambda folder: exporter.verify(folder, _find_pairs(progress), unpack=_unpack, progress=progress),
                progress=progress,
            )
    return {**summary, "proofs": [dataclasses.asdict(proof) for proof in summary["proofs"]]}


def demanded(split: Sequence[float | None]) -> tuple[float | None, ...]:
    """Shares as parts of one, or counts (whole numbers, one of which may be None for the rest).

    Raises:
        InputError: when they are neither.
    """
    parts = tuple(split)
    numbers = [part for part in parts if part is not None]
    good = len(parts) == len(tables.SPLITS) and all(math.isfinite(n) and n >= 0 for n in numbers) and sum(numbers) > 0
    if (
        good
        and None not in parts
        and math.isclose(total := sum(numbers), 1 if max(numbers) <= 1 else 100, rel_tol=1e-6)
    ):
        return tuple(number / total for number in numbers)
    if good and len(numbers) >= len(parts) - 1 and all(number == int(number) for number in numbers):
        return tuple(None if part is None else int(part) for part in parts)
    raise InputError(
        f"the split {', '.join('rest' if part is None else f'{part:g}' for part in parts)}",
        expected="three shares that sum to 1, such as 0.8,0.1,0.1; or three numbers of images, such as 1000,100,200 "
        "or rest,100,200",
    )


def regroup(
    state: State,
    cleaned: pd.DataFrame,
    *,
    new: Reencoded | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """The clusters table, with split groups that also hold the copies found among the cleaned images alone.

    How alike copies must look is measured on the images that are no copies (`audit.looks`), and cleaning changes
    those: among fewer images a pair may stand out that did not among all. The proof looks at the cleaned images. Of
    images that were encoded anew, the `new` file counts.
    """
    kept = cleaned.loc[cleaned["label"].notna(), "image_id"]
    features = state.run.read(tables.FEATURES)
    ids, pixels = state.run.read_thumbnails()
    files: dict[str, Path] = {}
    if new is not None:
        files = dict(zip(new.files["image_id"], new.files["file"], strict=True))
        features = pd.concat([features[~features["image_id"].isin(files)], new.features], ignore_index=True)
        old = (~ids.isin(files)).to_numpy()
        ids = pd.concat([ids[old], new.thumbnails[0]], ignore_index=True)
        pixels = np.concatenate([pixels[old], new.thumbnails[1]])
    pairs, _, _ = copies.find(
        state.dataset[state.dataset["image_id"].isin(kept)],
        features[features["image_id"].isin(kept)],
        (ids, pixels),
        lambda image_id: files.get(image_id) or state.run.image_path(image_id),
        progress=progress,
    )
    before = state.clusters.set_index("image_id")
    groups = neighbors.cluster(pairs, before["split_group"])[["image_id", "split_group"]]
    return tables.validate(groups.assign(cluster=groups["image_id"].map(before["cluster"])), tables.CLUSTERS)


def assign(
    state: State,
    cleaned: pd.DataFrame,
    demand: Sequence[float | None],
    seed: int,
    old: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Splits for a cleaned table: frozen test images stay test, the rest is divided as `demand` (see `demanded`) says.

    What the dataset's own split says comes first; then `old`, the manifest of an earlier export; then the test images
    that the audit drew.
    """
    from cleaning import split
    from cleaning.counts import assign_counts

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
    shares = [part for part in demand if isinstance(part, float)]
    if len(shares) < len(demand):
        counts = [None if part is None else int(part) for part in demand]
        splits, deviations = assign_counts(grouped, counts, seed=seed, fixed=frozen if len(frozen) else None)
        return splits, notes + deviations
    if not len(frozen):
        return split.assign(grouped, shares, seed=seed)
    train, val, test = shares
    held = grouped["image_id"].isin(frozen.loc[frozen["split"] == "test", "image_id"]).mean()
    if held and abs(held - test) > 0.01:
        notes.append(f"Images frozen as test stay test: {held:.1%} instead of {test:.1%}. The others share the rest.")
    open_shares = (train, 0.0 if closed_val else val, 0.0 if frozen["split"].eq("test").any() else test)
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


@contextlib.contextmanager
def as_files(out: Path) -> Iterator[Path]:
    """The export itself; or, of records, a copy of it as files that is there for as long as the context."""
    if not any(out.glob("*.tfrecord")):
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="imageclinic-records-") as scratch:
        _unpack(out, Path(scratch))
        for file in out.iterdir():
            if file.suffix in (".csv", ".json"):
                shutil.copy(file, scratch)
        yield Path(scratch)


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
