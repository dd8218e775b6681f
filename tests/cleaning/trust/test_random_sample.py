"""The sample that calibrates the flags: random, reproducible, with the chance that each image had."""

import numpy as np

from imageclinic.cleaning.trust.random_sample import draw
from tests.helpers.review_log import flags, images


def test_each_has_the_same_chance_in_its_stratum():
    counts = np.zeros(60)
    for seed in range(400):
        sample = draw(flags(20), images(60), flagged=5, unflagged=10, seed=seed)
        assert sample["image_id"].is_unique and len(sample) == 15
        np.add.at(counts, sample["image_id"].astype(int).to_numpy(), 1)
    assert abs(counts[:20] / 400 - 5 / 20).max() < 0.1
    assert abs(counts[20:] / 400 - 10 / 40).max() < 0.1


def test_it_says_the_chances_and_mixes_the_strata():
    sample = draw(flags(20), images(60), flagged=5, unflagged=10)
    chances = sample.groupby("stratum")["inclusion_prob"].unique()
    assert chances["flagged"].tolist() == [0.25] and chances["unflagged"].tolist() == [0.25]
    assert sample["stratum"].head(5).nunique() == 2


def test_the_order_of_the_rows_does_not_matter():
    assert draw(flags(20), images(60)).equals(draw(flags(20).iloc[::-1], images(60).sample(frac=1, random_state=1)))


def test_small_runs_are_drawn_to_the_end():
    sample = draw(flags(3), images(3))
    assert set(sample["image_id"]) == {"0000", "0001", "0002"} and sample["inclusion_prob"].eq(1).all()
    assert draw(flags(0), images(0)).empty
