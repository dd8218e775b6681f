"""What an export's proof finds among the cleaned images is in one split group, under whatever names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imageclinic import sample_data
from imageclinic.audit.copies import find_copies
from imageclinic.audit.listing import image_listing
from imageclinic.audit.scan import scan
from imageclinic.cleaning.decisions import decision_log
from imageclinic.core import run, tables
from imageclinic.workflows.steps import splits
from imageclinic.workflows.steps.copies_key import copies_key
from imageclinic.workflows.steps.run_state import State

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    """The sample data, scanned and searched for copies."""
    opened = run.create(tmp_path_factory.mktemp("regroup") / "run")
    opened.update_info({"root": str(sample_data.IMAGES)})
    dataset, features = scan.scan(opened, image_listing.load(sample_data.IMAGES).images, sample_data.IMAGES)
    opened.write(tables.FEATURES, features)
    pairs, clusters, _ = find_copies.find(dataset, features, opened.read_thumbnails(), opened.image_path)
    opened.write(tables.NEIGHBORS, pairs, copies_key(opened, dataset))
    log = decision_log.read(opened.decisions)
    none = tables.empty(tables.SPLIT_TABLE)
    return State(opened, dataset, clusters, none, tables.empty(tables.ISSUES), log, decision_log.current(log, dataset))


def found_as_others(state: State, kept: pd.Series) -> pd.DataFrame:
    """Pairs among the kept images, found under names whose order is another."""
    name = {i: f"{at:05}" for at, i in enumerate(reversed(list(kept)))}
    back = {new: old for old, new in name.items()}
    at, pixels = state.run.read_thumbnails()
    features = state.run.read(tables.FEATURES)
    pairs, _, _ = find_copies.find(
        state.dataset[state.dataset["image_id"].isin(kept)].assign(image_id=lambda t: t["image_id"].map(name)),
        features[features["image_id"].isin(kept)].assign(image_id=lambda t: t["image_id"].map(name)),
        (at[at.isin(kept)].map(name).reset_index(drop=True), pixels[at.isin(kept).to_numpy()]),
        lambda i: state.run.image_path(back[i]),
    )
    return pairs.assign(image_id=pairs["image_id"].map(back), other_id=pairs["other_id"].map(back))


def divided(pairs: pd.DataFrame, clusters: pd.DataFrame) -> int:
    group = clusters.set_index("image_id")["split_group"]
    one, other = (pairs[c].map(group).fillna(pairs[c]) for c in ("image_id", "other_id"))
    return int(one.ne(other).sum())


def test_copies_that_stand_out_only_after_cleaning_stay_in_one_split(state: State) -> None:
    before = 0
    for seed in (1, 4):
        gone = np.random.default_rng(seed).random(len(state.dataset)) >= 0.9
        cleaned = state.dataset.assign(label=state.dataset["label"].mask(gone))
        pairs = found_as_others(state, cleaned.loc[~gone, "image_id"])
        clusters, notes = splits.regroup(state, cleaned)
        assert notes == []
        before += divided(pairs, state.clusters)
        assert divided(pairs, clusters) == 0
        assert not divided(state.clusters.assign(other_id=state.clusters["split_group"]), clusters)
    assert before, "the audit's own groups hold all pairs: nothing was tested"


def test_contents_that_were_searched_are_not_searched_again(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []
    find = find_copies.find
    monkeypatch.setattr(find_copies, "find", lambda *args, **more: searched.append(1) or find(*args, **more))
    content = state.dataset["sha256"]
    spare = content.duplicated() & state.dataset["read_error"].isna()
    assert spare.any()
    gone = spare | state.dataset["read_error"].notna()
    cleaned = state.dataset.assign(label=state.dataset["label"].fillna("a").mask(gone))
    quick, _ = splits.regroup(state, cleaned)
    assert not searched
    # Pairs of another version of the search, and contents that are gone, make it search.
    with monkeypatch.context() as patched:
        patched.setattr(find_copies, "VERSION", "another")
        slow, _ = splits.regroup(state, cleaned)
    assert len(searched) == 1
    pd.testing.assert_frame_equal(quick, slow)
    splits.regroup(state, cleaned.assign(label=cleaned["label"].mask(content == content.iloc[0])))
    assert len(searched) == 2


def test_regrouping_keeps_clusters_and_changes_nothing_without_cleaning(state: State) -> None:
    pd.testing.assert_frame_equal(splits.regroup(state, state.dataset)[0], state.clusters)


def test_names_do_not_change_which_pairs_are_found(state: State) -> None:
    pairs, _, _ = find_copies.find(
        state.dataset, state.run.read(tables.FEATURES), state.run.read_thumbnails(), state.run.image_path
    )
    others = found_as_others(state, state.dataset["image_id"])
    assert {frozenset(p) for p in pairs[["image_id", "other_id"]].to_numpy()} == {
        frozenset(p) for p in others[["image_id", "other_id"]].to_numpy()
    }
