"""Composes an audit: listing → scan → copies → frozen splits → embeddings → predictions → checks."""

from __future__ import annotations

import contextlib
import json
import platform
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xxhash

import imageclinic
from audit import copies, labels, runner, scan, source, tables
from audit.errors import InputError
from audit.run import Run, create, is_current
from imageclinic.stages import Say, Stage, quiet, silent

#: Folds of the cross-validation, and how often it is repeated with other folds; the repeats are averaged.
FOLDS, REPEATS = 5, 3
#: Shares of train, val and test that are drawn when the dataset came without splits.
SHARES = (0.7, 0.1, 0.2)
_PACKAGES = ("tensorflow", "keras", "cleanlab", "fiftyone", "imagehash", "pandas", "scikit-learn", "numpy", "pillow")


@dataclass(frozen=True)
class Audit:
    """An audit's results: the run folder, the issues table, and one outcome per check."""

    run: Run
    issues: pd.DataFrame
    outcomes: pd.DataFrame


def audit(
    data: str | Path | pd.DataFrame,
    out: str | Path | None = None,
    *,
    root: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    checks: Sequence[str] = (),
    skip: Sequence[str] = (),
    options: Sequence[str] = (),
    model: str = "auto",
    workers: int | None = None,
    seed: int = 0,
    stage: Stage = quiet,
    say: Say = silent,
) -> Audit:
    """Audit a dataset. Nothing but the run folder is written; an interrupted audit goes on where it was.

    Args:
        data: a folder, a .csv/.parquet manifest, or a frame with the columns path and label.
        out: the run folder; default ``imageclinic-runs/<dataset name>``.
        root: for frames: the folder that the paths are relative to.
        columns: for manifests and frames: our column name (path, label, split, group) → theirs.
        checks, skip: names of checks to run, or to leave out.
        options: check options as ``CHECK.OPTION=VALUE``.
        model: what embeds the images, see `training.embed`.
        workers: processes that scan; default: the cores at hand.
        seed: of everything that is drawn at random.
        stage, say: progress and notes.

    Raises:
        InputError: bad input; the message says what to do.
    """
    chosen, skipped = runner.select(checks, skip)
    settings = runner.parse_options(options)
    listing = _list(data, root, columns)
    path = Path(out) if out is not None else Path("imageclinic-runs") / (listing.name or "dataset")
    # A manifest often lies above much else; what it does not list is not the dataset.
    manifest = isinstance(data, pd.DataFrame) or not Path(data).is_dir()
    if path.resolve().is_relative_to(listing.root) and (not manifest or _holds_images(path.resolve(), listing)):
        raise InputError(
            f"the run folder {path} lies inside the dataset {listing.root}",
            expected="a folder outside of it: imageclinic never writes to your data",
            fix="give another one with --out, or start from another folder",
        )
    run = create(path)
    with run.lock():
        _check_same_root(run, listing.root)
        run.update_info(
            {
                "format": 1,
                "root": str(listing.root),
                "manifest": manifest,
                "versions": {
                    "imageclinic": imageclinic.__version__,
                    "python": platform.python_version(),
                    **{p: version(p) for p in _PACKAGES},
                },
                "arguments": {
                    "data": str(data) if not isinstance(data, pd.DataFrame) else "frame",
                    "columns": dict(columns or {}),
                    "checks": list(checks),
                    "skip": list(skip),
                    "options": list(options),
                    "model": model,
                },
                "seed": seed,
                "ignored": listing.ignored,
            }
        )
        return _audit(run, listing, chosen, skipped, settings, model, workers, seed, stage, say)


def _audit(
    run: Run,
    listing: source.Listing,
    chosen: dict[str, runner.Check],
    skipped: list[str],
    settings: Mapping[str, Mapping[str, Any]],
    model: str,
    workers: int | None,
    seed: int,
    stage: Stage,
    say: Say,
) -> Audit:
    seconds: dict[str, float] = {}
    notes = list(listing.notes)

    @contextlib.contextmanager
    def timed(name: str, description: str) -> Any:
        start = time.perf_counter()
        with stage(description) as progress:
            yield progress
        seconds[name] = round(time.perf_counter() - start, 3)

    with timed("scan", "Scanning images") as progress:
        dataset, features = scan.scan(run, listing.images, listing.root, workers=workers, progress=progress)
    if dataset["read_error"].eq("file is missing").all():
        raise InputError(
            f"none of the {len(dataset):,} images is there, such as {run.image_path(dataset['image_id'][0])}",
            expected="paths relative to the manifest's folder",
        )
    with timed("copies", "Looking for copies") as progress:
        neighbors, clusters = _copies(run, dataset, features, notes, progress)
    _freeze_splits(run, dataset, clusters, seed, notes)

    inputs: dict[str, Any] = {
        "dataset": dataset,
        "features": features,
        "neighbors": neighbors,
        "clusters": clusters,
    }
    missing: dict[str, str] = {}
    broken: dict[str, str] = {}
    wanted = {i for check in chosen.values() for i in check.inputs}
    if wanted & {"embeddings", "predictions"}:
        try:
            with timed("embed", "Embedding images") as progress:
                inputs["embeddings"] = _embed(run, dataset, model, seed, say, progress)
        except InputError as error:
            if model != "auto":
                raise
            missing.update(dict.fromkeys(("embeddings", "predictions"), str(error)))
        except Exception:
            broken.update(dict.fromkeys(("embeddings", "predictions"), traceback.format_exc()))
    if "predictions" in wanted and "embeddings" in inputs:
        try:
            with timed("predict", "Cross-validating") as progress:
                inputs["predictions"] = _predict(run, dataset, clusters, inputs["embeddings"], seed, notes, progress)
        except InputError as error:
            missing["predictions"] = str(error)
        except Exception:
            broken["predictions"] = traceback.format_exc()
    with timed("checks", "Checking") as progress:
        issues, outcomes = runner.run(chosen, skipped, inputs, missing, broken, settings, progress=progress)
    run.write(tables.ISSUES, issues)
    noise = _label_noise(dataset, inputs["predictions"]) if "predictions" in inputs else None
    run.update_info(
        {
            "fingerprint": _key(dataset),
            "seconds": seconds,
            "notes": notes,
            "label_noise": noise,
            "outcomes": outcomes,
        }
    )
    for note in notes:
        say(note)
    return Audit(run, issues, pd.DataFrame(outcomes))


def summary(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Outcomes as people read them: the last line of a traceback is reason enough."""
    reasons = [str(r).strip().splitlines()[-1] if str(r).strip() else "" for r in outcomes["reason"]]
    return pd.DataFrame(
        {
            "check": outcomes["check"],
            "outcome": outcomes["outcome"],
            "findings": outcomes["n_issues"],
            "reason": reasons,
        }
    )


def explain(check: str | None = None) -> pd.DataFrame:
    """What a check (or every check) detects, why it matters and what to do: a frame with check, help, options.

    Raises:
        InputError: no such check; the message lists them.
    """
    chosen, _ = runner.select([check] if check else [])
    return pd.DataFrame(
        [{"check": c.name, "summary": c.summary, "help": c.help, "options": c.options} for c in chosen.values()]
    )


def _list(
    data: str | Path | pd.DataFrame, root: str | Path | None, columns: Mapping[str, str] | None
) -> source.Listing:
    named = dict(columns or {})
    if isinstance(data, pd.DataFrame):
        if root is None:
            raise InputError("a frame was given without a root", expected="root=, the folder of its paths")
        return source.from_frame(data, Path(root).resolve(), columns=named)
    return source.load(Path(data), columns=named)


def _holds_images(path: Path, listing: source.Listing) -> bool:
    prefix = tables.to_image_id(path.relative_to(listing.root).as_posix()) + "/"
    return bool(prefix == "./" or listing.images["image_id"].str.startswith(prefix).any())


def _check_same_root(run: Run, root: Path) -> None:
    before = run.info().get("root")
    if before and Path(before) != root:
        raise InputError(
            f"{run.path} holds a run of {before}", expected=f"a run of {root}", fix="give another folder with --out"
        )


def _key(*parts: Any) -> str:
    digest = xxhash.xxh3_128()
    for part in parts:
        if isinstance(part, pd.DataFrame):
            columns = [c for c in ("image_id", "sha256", "label", "group", "split_group") if c in part.columns]
            digest.update(part[columns].to_csv(index=False).encode("utf-8", "surrogatepass"))
        else:
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _copies(
    run: Run, dataset: pd.DataFrame, features: pd.DataFrame, notes: list[str], progress: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    key = _key(dataset[["image_id", "sha256", "group"]], copies.RADIUS, scan.VERSION)
    paths = [run.table_path(t) for t in (tables.NEIGHBORS, tables.CLUSTERS)]
    if all(is_current(p, key) for p in paths):
        return run.read(tables.NEIGHBORS), run.read(tables.CLUSTERS)
    root = run.root
    neighbors, clusters, found = copies.find(
        dataset, features, run.read_thumbnails(), lambda i: root / tables.to_path(i), progress=progress
    )
    run.write(tables.NEIGHBORS, neighbors, key)
    run.write(tables.CLUSTERS, clusters, key)
    notes += found
    return neighbors, clusters


def _freeze_splits(run: Run, dataset: pd.DataFrame, clusters: pd.DataFrame, seed: int, notes: list[str]) -> None:
    """The dataset's own split where it has one; else drawn once, and kept by every later audit of the run."""
    from cleaning import split

    labelled = dataset[dataset["label"].notna()]
    grouped = labelled.merge(clusters[["image_id", "split_group"]], on="image_id", how="left")
    fixed: pd.DataFrame | None
    if labelled["split"].nunique() > 1:
        fixed = labelled.loc[labelled["split"].notna(), ["image_id", "split"]]
        if len(fixed) == len(labelled):
            run.write(tables.SPLIT_TABLE, fixed)
            return
    else:
        fixed = run.read(tables.SPLIT_TABLE) if run.has(tables.SPLIT_TABLE) else None
    drawn, found = split.assign(grouped, SHARES, seed=seed, fixed=fixed)
    run.write(tables.SPLIT_TABLE, drawn)
    notes += found


def _embed(run: Run, dataset: pd.DataFrame, model: str, seed: int, say: Say, progress: Any) -> tables.Embeddings:
    import training

    training.load_tensorflow()
    from training import embed

    readable = dataset[dataset["read_error"].isna()]
    if readable.empty:
        raise InputError("no image can be read")
    embedder = embed.choose(model)
    say(embedder.note)
    key = _key(readable[["image_id", "sha256"]], embedder.name, embedder.version, seed)
    if not is_current(run.embeddings, key):
        root = run.root
        paths = [root / tables.to_path(i) for i in readable["image_id"]]
        vectors, info = embed.embed(paths, model=model, seed=seed, progress=progress)
        made = {"key": key, "model": info["name"], "version": info["version"], "note": info["note"]}
        tables.write_vectors(run.embeddings, {"image_id": readable["image_id"]}, "embedding", vectors, made)
    return run.read_embeddings()


def _predict(
    run: Run,
    dataset: pd.DataFrame,
    clusters: pd.DataFrame,
    embeddings: tables.Embeddings,
    seed: int,
    notes: list[str],
    progress: Any,
) -> tables.Predictions:
    """Out-of-fold predictions of readable, labelled images; copies share a fold, or they would vouch for each other."""
    from training import predict

    labelled = dataset.loc[dataset["read_error"].isna() & dataset["label"].notna(), ["image_id", "sha256", "label"]]
    labelled = labelled.merge(clusters[["image_id", "split_group"]], on="image_id", how="left")
    labelled["split_group"] = labelled["split_group"].fillna(labelled["image_id"])
    sizes = labelled["label"].value_counts()
    if len(sizes) < 2:
        raise InputError(f"the dataset has {len(sizes)} class(es) with readable images", expected="at least 2")
    key = _key(labelled, tables.metadata(run.embeddings)["key"], seed, FOLDS, REPEATS)
    if is_current(run.predictions, key):
        return run.read_predictions()
    folds = draw_folds(labelled["label"], labelled["split_group"], seed)
    small = sizes[sizes < 2 * FOLDS]
    if len(small):
        named = ", ".join(f"{c} ({n})" for c, n in small.items())
        notes.append(f"classes too small for reliable cross-validation in {FOLDS} folds: {named}")
    classes = tuple(sorted(sizes.index))
    vectors = rows_of(embeddings, labelled["image_id"])
    given = labels.codes(labelled["label"], classes)
    found = predict.out_of_fold(vectors, given, folds, progress=progress)
    if found.note:
        notes.append(found.note)
    quality = labels.quality(given, found.pred_probs)
    tables.write_vectors(
        run.predictions,
        {"image_id": labelled["image_id"], "fold": found.fold, "label_quality": quality},
        "pred_probs",
        found.pred_probs,
        {
            "key": key,
            "classes": json.dumps(classes),
            "strength": str(found.strength),
            "accuracy": f"{found.accuracy:.4f}",
        },
    )
    return run.read_predictions()


def _label_noise(dataset: pd.DataFrame, predictions: tables.Predictions) -> dict[str, Any]:
    """The noise matrix with names of classes, for run.json; see `audit.labels.noise`."""
    known = predictions.rows.merge(dataset[["image_id", "label"]], on="image_id", validate="1:1")
    found = labels.noise(labels.codes(known["label"], predictions.classes), predictions.pred_probs)
    names = [predictions.classes[k] for k in found.pop("given")]
    return {**found, "classes": names, "meaning": "model-based; only random reviews can calibrate it"}


def draw_folds(label: pd.Series, split_group: pd.Series, seed: int) -> npt.NDArray[np.int64]:
    """Fold numbers, (repeats, images): stratified by label, copies in one fold."""
    from cleaning import split

    shares = [1.0] * FOLDS
    return np.stack([split.allocate(label, split_group, shares, seed=seed + r) for r in range(REPEATS)])


def rows_of(embeddings: tables.Embeddings, wanted: pd.Series) -> npt.NDArray[np.float32]:
    """Embeddings of the `wanted` images, in their order."""
    position = pd.Series(np.arange(len(embeddings.image_id)), index=embeddings.image_id.to_numpy())
    return np.asarray(embeddings.vectors[position[wanted.to_numpy()].to_numpy()])
