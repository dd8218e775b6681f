"""Splits: whole groups, every class everywhere, determinism, frozen images, and notes about deviations."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import split as benchmark
from imageclinic.cleaning.split.stratified_split import allocate, assign, require_training, split_groups
from imageclinic.core import tables
from imageclinic.core.errors import InputError

rows = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 30)), min_size=1, max_size=80)
weights = st.lists(st.integers(1, 9), min_size=1, max_size=5)


def parts_of(group, part):
    return pd.Series(part).groupby(np.asarray(group)).nunique()


@settings(max_examples=200, deadline=None)
@given(rows, weights, st.integers(0, 5), st.randoms(use_true_random=False))
def test_groups_stay_whole_and_row_order_does_not_matter(data, shares, seed, random):
    label = [c for c, _ in data]
    group = [f"g{g}" for _, g in data]
    part = allocate(label, group, shares, seed=seed)
    assert (parts_of(group, part) == 1).all()
    order = random.sample(range(len(data)), len(data))
    again = allocate([label[i] for i in order], [group[i] for i in order], shares, seed=seed)
    assert (again == part[order]).all()


@settings(max_examples=200, deadline=None)
@given(rows, weights, st.integers(0, 5), st.data())
def test_fixed_groups_stay_and_others_follow(data, shares, seed, draw):
    label = [c for c, _ in data]
    group = np.array([f"g{g}" for _, g in data])
    home = {g: draw.draw(st.integers(-1, len(shares) - 1)) for g in sorted(set(group))}
    known = draw.draw(st.lists(st.booleans(), min_size=len(data), max_size=len(data)))
    fixed = np.array([home[g] if k else -1 for g, k in zip(group, known, strict=True)])
    part = allocate(label, group, shares, seed=seed, fixed=fixed)
    assert (part[fixed >= 0] == fixed[fixed >= 0]).all()
    assert (parts_of(group, part) == 1).all()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=12), min_size=1, max_size=6),
    weights,
    st.integers(0, 3),
)
def test_every_class_with_enough_groups_is_in_every_part(classes, shares, seed):
    label = [f"c{c}" for c, sizes in enumerate(classes) for size in sizes for _ in range(size)]
    group = [f"c{c}g{g}" for c, sizes in enumerate(classes) for g, size in enumerate(sizes) for _ in range(size)]
    part = allocate(label, group, shares, seed=seed)
    for c, sizes in enumerate(classes):
        if len(sizes) >= len(shares):
            assert set(part[np.array(label) == f"c{c}"]) == set(range(len(shares)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(20, 300), min_size=1, max_size=6), weights, st.integers(0, 3))
def test_without_copies_every_class_is_within_one_image_of_its_share(sizes, shares, seed):
    label = np.repeat(np.arange(len(sizes)), sizes).astype(str)
    part = allocate(label, [f"i{i}" for i in range(len(label))], shares, seed=seed)
    share = np.array(shares) / sum(shares)
    for c, size in enumerate(sizes):
        counts = np.bincount(part[label == str(c)], minlength=len(shares))
        assert (np.abs(counts - size * share) < 1 + 1e-6).all() or counts.min() == 1
    if min(sizes) * share.min() >= 1:
        total = np.bincount(part, minlength=len(shares))
        assert (np.abs(total - len(label) * share) <= 2).all(), "rounding must not add up over the classes"


def test_rounding_does_not_add_up_over_many_small_classes():
    label = np.repeat([f"c{i}" for i in range(200)], 12)  # 9.6, 1.2, 1.2 a class
    part = allocate(label, [f"i{i}" for i in range(len(label))], (0.8, 0.1, 0.1), seed=0)
    assert np.bincount(part).tolist() == [1920, 240, 240]


def test_seed_changes_who_goes_where_but_not_the_counts():
    label = ["a"] * 50 + ["b"] * 50
    group = [f"i{i}" for i in range(100)]
    one, two = (allocate(label, group, (0.6, 0.4), seed=s) for s in (1, 2))
    assert (one != two).any()
    assert np.bincount(one).tolist() == np.bincount(two).tolist() == [60, 40]


def test_a_closed_part_gets_only_what_is_fixed_to_it():
    fixed = np.full(100, -1)
    fixed[:7] = 2
    part = allocate(["a"] * 100, [f"i{i}" for i in range(100)], (0.9, 0.1, 0), seed=0, fixed=fixed)
    assert np.bincount(part).tolist() == [84, 9, 7]


def test_an_overfull_fixed_part_leaves_the_other_shares_in_proportion():
    fixed = np.full(1000, -1)
    fixed[:300] = 2
    part = allocate(["a"] * 1000, [f"i{i}" for i in range(1000)], (0.8, 0.1, 0.1), seed=0, fixed=fixed)
    assert np.bincount(part).tolist() == [622, 78, 300]


@pytest.mark.slow
def test_no_worse_than_scikit_learn_on_200_skewed_cases():
    found = benchmark.compare(200)
    assert found["leaks"].sum() == 0
    assert found["ours"].mean() <= found["theirs"].mean(), found.mean()


def table(labels, groups=None):
    ids = [f"{i:04d}.png" for i in range(len(labels))]
    return pd.DataFrame({"image_id": ids, "label": labels, "split_group": groups or [None] * len(labels)})


def splits(**of):
    return tables.frame(tables.SPLIT_TABLE, image_id=list(of), split=list(of.values()))


def test_assign_gives_each_labelled_image_a_split_without_notes():
    result, notes = assign(table(["a"] * 50 + ["b"] * 50 + [None]), seed=0)
    assert result["split"].value_counts().to_dict() == {"train": 80, "val": 10, "test": 10}
    assert "0100.png" not in set(result["image_id"])
    assert notes == []


def test_frozen_test_images_stay_and_pull_their_copies():
    data = table(["a"] * 20, ["twin", "twin", "twin"] + [f"g{i}" for i in range(17)])
    fixed = splits(**{"0000.png": "test", "0001.png": "train", "0002.png": "train", "gone.png": "val"})
    result, notes = assign(data, seed=0, fixed=fixed)
    assert result["split"].tolist()[:3] == ["test"] * 3
    assert any("0001.png was in train and is now in test" in note for note in notes)


def test_a_bridge_between_train_and_val_goes_where_most_are():
    data = table(["a"] * 20, ["twin"] * 4 + [f"g{i}" for i in range(16)])
    fixed = splits(**{"0000.png": "val", "0001.png": "val", "0002.png": "train"})
    result, notes = assign(data, seed=0, fixed=fixed)
    assert result["split"].tolist()[:4] == ["val"] * 4
    assert sum("0002.png was in train and is now in val" in note for note in notes) == 1


def test_a_closed_test_split_is_no_deviation():
    fixed = splits(**{f"{i:04d}.png": "test" for i in range(30)})
    result, notes = assign(table(["a"] * 100), (0.8, 0.2, 0), seed=0, fixed=fixed)
    assert result["split"].value_counts().to_dict() == {"train": 56, "val": 14, "test": 30}
    assert notes == []


def test_deviations_are_named():
    data = table(["a"] * 60 + ["rare"] * 2, ["person"] * 50 + [None] * 12)
    _, notes = assign(data, (0.4, 0.3, 0.3), seed=0)
    assert any(note.startswith("train has") and "biggest has 50 images" in note for note in notes)
    assert any("Class 'rare' is missing from" in note for note in notes)


def test_one_image_and_no_image():
    assert assign(table(["a"]), seed=0)[0]["split"].tolist() == ["train"]
    assert len(assign(table([]), seed=0)[0]) == 0


def test_split_groups_come_from_the_clusters():
    clusters = tables.frame(tables.CLUSTERS, image_id=["a", "b"], cluster=[None, None], split_group=["a", "a"])
    assert split_groups(pd.Series(["a", "b", "c"]), clusters).tolist() == ["a", "a", "c"]


@pytest.mark.parametrize("shares", [(), (0, 0), (-1, 2), (float("nan"), 1)])
def test_bad_shares(shares):
    with pytest.raises(InputError, match="not negative"):
        allocate(["a"], ["g"], shares, seed=0)


def test_bad_input():
    with pytest.raises(InputError, match="three"):
        assign(table(["a"]), (0.8, 0.2), seed=0)
    with pytest.raises(InputError, match="range"):
        allocate(["a"], ["g"], (1, 1), seed=0, fixed=np.array([2]))
    with pytest.raises(InputError, match="one group"):
        allocate(["a"], [], (1, 1), seed=0)


def test_a_class_without_training_images_is_named():
    images = table(["a"] * 3 + ["b"] * 2)
    ids = list(images["image_id"])
    there = ["train", "val", "train", "test", "val"]
    with pytest.raises(InputError, match=r"class 'b' \(1 in val, 1 in test\)\. Expected"):
        require_training(images, splits(**dict(zip(ids, there, strict=True))))
    require_training(images, splits(**dict(zip(ids, [*there[:4], "train"], strict=True))))
    require_training(images.assign(label=["a"] * 3 + [None] * 2), splits(**dict(zip(ids[:3], there, strict=False))))
