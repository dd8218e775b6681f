"""The arms and test images of a comparison, as `training.compare.retrain` wants them: from a run, or from two
datasets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from imageclinic.audit.checks import split_shift
from imageclinic.audit.listing import image_listing
from imageclinic.cleaning.decisions import apply
from imageclinic.cleaning.split import stratified_split
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.reading.hashing import file_sha256
from imageclinic.core.run import Run
from imageclinic.core.schema import POLICY
from imageclinic.training.compare.arm_inputs import Embedded
from imageclinic.training.compare.arms import ARM_COLUMNS, TEST_COLUMNS
from imageclinic.workflows.steps import combined_copies
from imageclinic.workflows.steps.run_state import State

#: Share of each arm's own images, test aside, that its epoch is chosen on.
VALIDATION = 0.15
Arms = dict[str, pd.DataFrame]


def of_run(state: State, seed: int) -> tuple[Arms, pd.DataFrame]:
    """The arms ``original`` and ``cleaned``, and the frozen test images with given and reviewed labels (null: dropped)
    and, under `label_reviewed_at_random`, the reviewed labels of those that a person was shown at random.

    Raises:
        InputError: when no readable image is in the test split.
    """
    cleaned, _ = apply.apply(state.dataset, state.current)
    usable = state.dataset[state.dataset["read_error"].isna() & state.dataset["label"].notna()]
    known = usable.merge(state.splits, on="image_id", suffixes=("_own", "")).merge(
        state.clusters[["image_id", "cluster", "split_group"]], on="image_id", how="left"
    )
    known["split_group"] = known["split_group"].fillna(known["image_id"])
    known["path"] = _paths(state.run.files, known["image_id"])
    reviewed = cleaned.set_index("image_id")["label"]

    testing = known[known["split"] == "test"]
    if testing.empty:
        raise InputError("no readable image is in the test split", fix="give the dataset a test split, or audit again")
    test = testing.assign(label_original=testing["label"], label_reviewed=testing["image_id"].map(reviewed))[
        TEST_COLUMNS
    ]
    drawn = test["image_id"].isin(_reviewed_at_random(state))
    if drawn.any():
        test["label_reviewed_at_random"] = test["label_reviewed"].where(drawn)
    # Copies of test images stay in no arm's validation part: they are left out of the test by `compare`.
    original = with_validation(known[known["split"] != "test"].drop(columns="split"), seed)
    original["cluster"] = original["image_id"].map(known.set_index("image_id")["cluster"])
    kept = original[original["image_id"].isin(reviewed.index)]
    return {"original": original, "cleaned": kept.assign(label=kept["image_id"].map(reviewed))}, test


def embedded(run: Run) -> Embedded | None:
    """The run's embeddings, by path; None where it has none, where they don't say what made them, or where they were
    learnt from all images, test images included."""
    if not run.embeddings.is_file():
        return None
    made = tables.metadata(run.embeddings)
    if not {"model", "version", "note"} <= made.keys() or "patches" in made["model"]:
        return None
    found = run.read_embeddings()
    paths = _paths(run.files, pd.Series(found.image_id))
    return Embedded(pd.Index(paths, dtype=object), np.asarray(found.vectors), made)


def test_shift(state: State) -> str | None:
    """What the audit found of a difference between train and test; "" where it looked and found none, None where it
    did not look."""
    outcomes = {str(o["check"]): o["outcome"] for o in state.run.info().get("outcomes", [])}
    if outcomes.get("split_shift") not in ("found", "clean"):
        return None
    found = state.issues[state.issues["check"] == "split_shift"]
    about = [e for e in found["evidence"] if split_shift.shifted_splits(pd.DataFrame({"evidence": [e]})) == ["test"]]
    return about[0] if about else ""


def reviews(state: State, arm: pd.DataFrame) -> int:
    """How many images of an arm were decided about: what a control that reviews at random may spend."""
    return int(arm["image_id"].isin(state.current["image_id"]).sum())


def truth(file: Path, arm: pd.DataFrame) -> pd.Series:
    """True labels by image_id, from a CSV file with the columns image_id and label (empty: belongs to no class).

    Raises:
        InputError: when it is no such file, or knows none of the arm's images.
    """
    try:
        table = pd.read_csv(file, dtype=str)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} can't be read: {error}", expected="a .csv with image_id and label") from error
    missing = sorted({"image_id", "label"} - set(table.columns))
    if missing:
        raise InputError(f"{file} has no column {', '.join(missing)}", expected="image_id and label")
    labels = table.drop_duplicates("image_id", keep="last").set_index("image_id")["label"]
    if not arm["image_id"].isin(labels.index).any():
        raise InputError(
            f"{file} knows none of the training images, such as {arm['image_id'].iloc[0]!r}",
            expected="the image_id of the run: the path relative to the dataset",
        )
    return labels


def of_datasets(
    before: Path,
    after: Path,
    seed: int,
    *,
    listed: Callable[[Path], image_listing.Listing] = image_listing.load,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Arms, pd.DataFrame, list[str]]:
    """The arms and test images of two datasets: exports, folders with a test part, or manifests with a split column.

    Images are matched by content: where a file lies and what it is called is no difference. Copies within and across
    the two share a group (near ones as well, as an audit finds them), and so do images of one group in an export or in
    a manifest's `group` column. `listed` lists what is no export. `progress` is called with (done, total) of each step
    of the search for copies.

    Returns:
        The arms; the test images with the label that each dataset gives them; notes.

    Raises:
        InputError: a dataset without test images, or test images that differ: says which.
    """
    found = {name: _dataset(path, listed) for name, path in (("original", before), ("cleaned", after))}
    notes = [
        f"{path}: {bad:,} unreadable images are left out."
        for path, (_, bad) in zip((before, after), found.values(), strict=True)
        if bad
    ]
    frames = {name: frame for name, (frame, _) in found.items()}
    held = {name: frame[frame["split"] == "test"] for name, frame in frames.items()}
    _same_test(held["original"], held["cleaned"], before, after)
    # A group that one dataset knows holds in both: an export knows more than a folder.
    groups = combined_copies.split_groups(pd.concat(frames.values(), ignore_index=True), progress=progress)
    arms = {}
    for name, frame in frames.items():
        grouped = frame.assign(split_group=frame["sha256"].map(groups).astype("str").fillna(frame["sha256"]))
        frames[name] = grouped
        learning = grouped[grouped["split"] != "test"]
        whole = {"train", "val"} <= set(learning["split"])
        arms[name] = learning[ARM_COLUMNS] if whole else with_validation(learning.drop(columns="split"), seed)
    tests = [frame[frame["split"] == "test"] for frame in frames.values()]
    labels = tests[1].set_index("image_id")["label"]
    test = tests[0].assign(label_original=tests[0]["label"], label_reviewed=tests[0]["image_id"].map(labels))
    return arms, test[TEST_COLUMNS], notes


def _dataset(path: Path, listed: Callable[[Path], image_listing.Listing]) -> tuple[pd.DataFrame, int]:
    """Labelled images: sha256, image_id (made of it), path, label, split, split_group (null: unknown); and how many
    unreadable ones are left out."""
    if (path / tables.MANIFEST.file).is_file():
        frame = tables.read_csv(path / tables.MANIFEST.file, tables.MANIFEST)
        frame, bad = frame.assign(path=_paths(_below(path), frame["path"]))[["sha256", *ARM_COLUMNS[1:]]], 0
    else:
        listing = listed(path)
        images = listing.images[listing.images["label"].notna()]
        if not images["split"].eq("test").any():
            raise InputError(
                f"{path} has no test images",
                expected="an export, folders train/… and test/…, or a manifest with a split column",
            )
        images = images.assign(path=_paths(_below(listing.root), images["image_id"]), split_group=images["group"])
        with ThreadPoolExecutor() as pool:
            images["sha256"] = list(pool.map(_hash, images["path"]))
        readable = images["sha256"].notna()
        frame, bad = images.loc[readable, ["sha256", *ARM_COLUMNS[1:]]], int((~readable).sum())
        frame["split"] = frame["split"].fillna("train")
    frame = frame.sort_values(["sha256", "path"], ignore_index=True)
    number = frame.groupby("sha256").cumcount()
    return frame.assign(image_id=frame["sha256"] + np.where(number > 0, "-" + number.astype(str), "")), bad


def _hash(path: str) -> str | None:
    """sha256 of a file; None when it is no image that training can read."""
    from imageclinic.training.data import image_pipelines

    try:
        image_pipelines.read_image(Path(path), (8, 8))
    except InputError:
        return None
    return file_sha256(Path(path))


def _same_test(one: pd.DataFrame, two: pd.DataFrame, before: Path, after: Path) -> None:
    lost, new = (a[~a["image_id"].isin(b["image_id"])] for a, b in ((one, two), (two, one)))
    if len(lost) or len(new):
        sides = [
            f"{len(rows):,} of {path} alone, such as {Path(rows['path'].iloc[0]).name}"
            for rows, path in ((lost, before), (new, after))
            if len(rows)
        ]
        raise InputError(
            f"the test images differ: {'; '.join(sides)}",
            expected="two datasets with the same test images, byte for byte",
            fix="give both the same test part: compare needs one test for both. Decisions about test images drop "
            "some of them from an export: compare the run itself instead (imageclinic compare RUN)",
        )


def with_validation(learning: pd.DataFrame, seed: int) -> pd.DataFrame:
    drawn, _ = stratified_split.assign(learning, (1 - VALIDATION, VALIDATION, 0.0), seed=seed)
    return learning.merge(drawn, on="image_id")[ARM_COLUMNS]


def _reviewed_at_random(state: State) -> Sequence[str]:
    """Images that a person was shown at random, and that stand decided."""
    shown = state.log["sample"].eq("random") & ~state.log["reviewer"].str.startswith(POLICY)
    answered = state.current[~state.current["disputed"] & state.current["decision"].ne("unsure")]
    return answered.loc[answered["image_id"].isin(state.log.loc[shown, "image_id"]), "image_id"].tolist()


def _paths(files: Callable[[str], Path], ids: pd.Series) -> pd.Series:
    # As objects: pandas's strings can't hold names that are not UTF-8.
    return pd.Series([str(files(i)) for i in ids], index=ids.index, dtype=object)


def _below(root: Path) -> Callable[[str], Path]:
    return lambda image_id: root / tables.to_path(image_id)
