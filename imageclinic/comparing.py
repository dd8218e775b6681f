"""Composes training, the comparison before and after, and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from audit import runner, tables
from audit.errors import InputError
from audit.run import open_run
from imageclinic.deciding import State, load, status
from imageclinic.stages import Stage, quiet

#: Share of each arm's own images, test aside, that its epoch is chosen on.
VALIDATION = 0.15


def compare(
    run: str | Path,
    after: str | Path | None = None,
    *,
    model: str = "features",
    seeds: int = 5,
    epochs: int | None = None,
    seed: int = 0,
    stage: Stage = quiet,
) -> dict[str, Any]:
    """Retrain on the original and the cleaned images, and test both on the same images.

    Args:
        run: a run folder; or, with `after`, an export.
        after: another export, with the same test images.
        model: ``features`` or a rung of the ladder, see `training.compare`.
        seeds, epochs, seed: see `training.compare.compare`.
        stage: progress.

    Returns:
        The content of comparison.json, which is written to the run folder.

    Raises:
        InputError: no test images, one class, exports whose test images differ.
    """
    import training

    training.load_tensorflow()
    from training import compare as retraining

    if after is not None:
        arms, test = _arms_of_exports(Path(run), Path(after))
        cache = None
    else:
        state = load(run)
        arms, test = arms_of(state, seed)
        cache = state.run.path / "comparison"
    arms["random_removal"] = retraining.random_removal(arms["original"], arms["cleaned"], seed)
    with stage("Training") as progress:
        result = retraining.compare(
            arms, test, seeds=seeds, model=model, epochs=epochs, seed=seed, progress=progress, cache=cache
        )
    if after is None:
        tables.write_json(open_run(Path(run)).comparison, result)
    return result


def arms_of(state: State, seed: int) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """The arms ``original`` and ``cleaned``, and the frozen test images with given and reviewed labels."""
    from cleaning import apply, split

    cleaned, _ = apply.apply(state.dataset, state.current)
    usable = state.dataset[state.dataset["read_error"].isna() & state.dataset["label"].notna()]
    known = usable.merge(state.splits, on="image_id", suffixes=("_own", "")).merge(
        state.clusters[["image_id", "split_group"]], on="image_id", how="left"
    )
    root = state.run.root
    known["split_group"] = known["split_group"].fillna(known["image_id"])
    known["path"] = _paths(root, known["image_id"])
    reviewed = cleaned.set_index("image_id")["label"]

    testing = known[known["split"] == "test"]
    if testing.empty:
        raise InputError("no readable image is in the test split", fix="give the dataset a test split, or audit again")
    test = pd.DataFrame(
        {
            "image_id": testing["image_id"],
            "path": testing["path"],
            "label_original": testing["label"],
            "label_reviewed": testing["image_id"].map(reviewed),
            "split_group": testing["split_group"],
        }
    )
    learning = known[known["split"] != "test"].drop(columns="split")
    # Copies of test images stay in no arm's validation part: they are left out of the test by `compare`.
    drawn, _ = split.assign(learning, (1 - VALIDATION, VALIDATION, 0.0), seed=seed)
    columns = ["image_id", "path", "label", "split", "split_group"]
    original = learning.merge(drawn, on="image_id")[columns]
    kept = original[original["image_id"].isin(reviewed.index)]
    return {"original": original, "cleaned": kept.assign(label=kept["image_id"].map(reviewed))}, test


def _paths(root: Path, ids: pd.Series) -> pd.Series:
    # As objects: pandas's strings can't hold names that are not UTF-8.
    return pd.Series([str(root / tables.to_path(i)) for i in ids], index=ids.index, dtype=object)


def _arms_of_exports(before: Path, after: Path) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    tests, arms = {}, {}
    for name, out in (("original", before), ("cleaned", after)):
        manifest = tables.read_csv(out / tables.MANIFEST.file, tables.MANIFEST)
        manifest = manifest.assign(path=_paths(out, manifest["path"]))
        tests[name] = manifest[manifest["split"] == "test"]
        arms[name] = manifest.loc[manifest["split"] != "test", ["image_id", "path", "label", "split", "split_group"]]
    one, two = tests["original"], tests["cleaned"]
    different = set(one["sha256"]) ^ set(two["sha256"])
    if different:
        raise InputError(
            f"the test images of {before} and {after} differ in {len(different)} images",
            expected="two exports with the same test images",
            fix="export both from one run: the audit freezes its test images",
        )
    labels = two.drop_duplicates("sha256").set_index("sha256")["label"]
    test = one.assign(label_original=one["label"], label_reviewed=one["sha256"].map(labels))
    return arms, test[["image_id", "path", "label_original", "label_reviewed", "split_group"]]


def train(
    out: str | Path,
    *,
    to: str | Path | None = None,
    model: str = "small_cnn",
    epochs: int = 30,
    seed: int = 0,
    stage: Stage = quiet,
) -> dict[str, Any]:
    """Train on an export: writes a .keras file, its metrics and a model card to `to` (default: OUT-model).

    Returns the metrics; see `training.fit.train`.
    """
    import training

    training.load_tensorflow()
    from training import fit

    with stage("Training") as progress:
        return fit.train(
            Path(out), to=None if to is None else Path(to), model=model, epochs=epochs, seed=seed, progress=progress
        )


def report(run: str | Path, *, truth: pd.DataFrame | None = None) -> Path:
    """Write report.html, one self-contained file, and return its path.

    Args:
        run: an audited run.
        truth: for datasets with planted faults: check, image_id and label of each.
    """
    from report import build

    helps = {name: check.help for name, check in runner.load().items()}
    return build.write(open_run(Path(run)), truth=truth, status=status(run)["checks"], help=helps)
