"""The rows that heads are fitted to where there are very many (`training.predict.by_sample.fitting_sample`)."""

from __future__ import annotations

import numpy as np
import pytest

from imageclinic.training.predict.by_sample import fitting_sample

SIZES = (50_000, 8_000, 60, 1)


def test_rare_classes_are_whole_and_the_others_proportional() -> None:
    found = fitting_sample.quotas(np.array(SIZES), 6000)
    assert found[2:].tolist() == [60, 1]
    assert 6000 - len(SIZES) <= found.sum() <= 6000
    assert found[0] / found[1] == pytest.approx(50_000 / 8_000, rel=0.1)
    assert fitting_sample.quotas(np.array(SIZES), 1 << 20).tolist() == list(SIZES), "all of them fit"
    # Classes that leave no room for `LEAST` rows of each share what there is.
    assert fitting_sample.quotas(np.full(50, 1000), 200).tolist() == [4] * 50
    with pytest.raises(ValueError, match="3 rows for 4 classes"):
        fitting_sample.quotas(np.array(SIZES), 3)


def test_what_is_drawn_follows_the_order_of_contents_and_the_seed() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 5000, p=(0.7, 0.28, 0.02))
    order = rng.permutation(5000)
    drawn = fitting_sample.draw(labels, order, 1000, 7)
    assert np.bincount(labels[drawn]).tolist() == fitting_sample.quotas(np.bincount(labels), 1000).tolist()
    renamed = rng.permutation(5000)  # row i is now what row renamed[i] was
    again = fitting_sample.draw(labels[renamed], np.argsort(renamed)[order], 1000, 7)
    assert np.array_equal(again, drawn[renamed])
    other = fitting_sample.draw(labels, order, 1000, 8)
    assert other.sum() == drawn.sum() and not np.array_equal(other, drawn)


def test_the_shift_takes_probabilities_to_the_shares_of_all_rows() -> None:
    """Without any feature a model says the classes' shares in the sample; shifted, those of all rows."""
    labels = np.repeat(np.arange(4), SIZES)
    drawn = fitting_sample.draw(labels, np.arange(len(labels)), 6000, 0)
    shares = np.bincount(labels[drawn]) / drawn.sum()
    shifted = shares * np.exp(fitting_sample.shift(labels, drawn))
    np.testing.assert_allclose(shifted / shifted.sum(), np.array(SIZES) / sum(SIZES), rtol=1e-5)
    assert not fitting_sample.shift(labels, np.ones(len(labels), bool)).any()


def test_rows_of_each_class_are_spread_evenly() -> None:
    """1,000 of one class and 150 of another, of which 100 are kept whatever their share: every 10th, and 2 of 3."""
    labels = np.repeat([0, 1, 0], [400, 150, 600])
    taken = fitting_sample.evenly(labels, 200)
    quotas = fitting_sample.quotas(np.array([1000, 150]), 200)
    assert [int(taken[labels == c].sum()) for c in (0, 1)] == quotas.tolist()
    for c, size in ((0, 1000), (1, 150)):
        gaps = np.diff(np.flatnonzero(taken[labels == c]))
        assert set(gaps) <= {size // quotas[c], -(-size // quotas[c])}
    assert fitting_sample.evenly(labels, 5000).all()
