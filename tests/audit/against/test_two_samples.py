"""The two-sample tests, the reference that they compare with, and the distances, on numbers whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from sklearn.linear_model import LogisticRegression

from imageclinic.audit.against import classifier_test, distance_to_run, property_tests, same_mix
from imageclinic.audit.labels import separability

RNG = np.random.default_rng(0)


def test_holm_is_the_step_down_of_the_paper() -> None:
    # Holm's p-values: the least times 4, the next times 3, …, never falling.
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert separability.holm(p).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_a_moved_property_is_named_and_the_others_are_not() -> None:
    old, new = RNG.normal(size=(2, 400)), RNG.normal(size=(2, 60))
    values = {
        "moved": (pd.Series(old[0]), pd.Series(new[0] + 1.5)),
        "stayed": (pd.Series(old[1]), pd.Series(new[1])),
        "format": (pd.Series(["JPEG"] * 399 + ["PNG"]), pd.Series(["JPEG"] * 20 + ["PNG"] * 40)),
        "mode": (pd.Series(["RGB"] * 400), pd.Series(["RGB"] * 60)),
    }
    tests = {t.name: t for t in property_tests.compare(values)}
    assert {name for name, t in tests.items() if t.moved} == {"moved", "format"}
    assert tests["moved"].difference == pytest.approx(ks_2samp(old[0], new[0] + 1.5).statistic, abs=1e-4)
    assert tests["mode"].p == 1 and tests["format"].difference == pytest.approx(40 / 60 - 1 / 400, abs=1e-4)


def test_what_an_earlier_version_did_not_measure_is_not_tested() -> None:
    unknown = {"border": pd.Series([None] * 40, dtype="float32"), "JPEG quality": pd.Series([None] * 40, dtype="Int64")}
    new = {"border": pd.Series([0.2] * 30, dtype="float32"), "JPEG quality": pd.Series([95] * 30, dtype="Int64")}
    assert property_tests.compare({name: (unknown[name], new[name]) for name in new}) == []
    known = pd.Series([75] * 40, dtype="Int64")
    assert [t.name for t in property_tests.compare({"JPEG quality": (known, new["JPEG quality"])}) if t.moved]


def test_a_certain_but_small_difference_is_not_reported() -> None:
    old, new = RNG.normal(size=30_000), RNG.normal(size=30_000) + 0.1
    (test,) = property_tests.compare({"x": (pd.Series(old), pd.Series(new))})
    assert test.p_corrected < 1e-6 and not test.moved


def test_the_shift_that_can_be_seen_is_where_the_test_turns() -> None:
    # 50 against 500: a distance just above is significant, one just below is not.
    least = property_tests.visible(500, 50, 1)
    ranks = np.arange(500.0)
    for distance, significant in ((least + 0.03, True), (least - 0.03, False)):
        new = np.linspace(500 * distance, 499, 50)  # all of the first part is missing: that is the distance
        assert (ks_2samp(ranks, new).pvalue < property_tests.ALPHA) == significant


def test_the_classifier_is_a_logistic_regression() -> None:
    x = RNG.normal(size=(120, 6))
    is_new = RNG.random(120) < 0.5
    fold = np.arange(120) % 5
    mine = classifier_test._out_of_fold(x, is_new[None], fold)[0]
    for number in range(5):
        held = fold == number
        model = LogisticRegression(C=1 / (0.1 * (~held).sum()), fit_intercept=False, tol=1e-8, max_iter=500)
        theirs = model.fit(x[~held], is_new[~held]).predict_proba(x[held])[:, 1]
        assert np.abs(theirs - mine[held]).max() < 1e-3


def test_classifier_tells_a_shift_and_is_quiet_without_one() -> None:
    old, new = RNG.normal(size=(300, 20)), RNG.normal(size=(80, 20))
    same = classifier_test.compare(old, new)
    assert same.p > classifier_test.ALPHA and not same.moved
    new[:, 3] += 1.5
    other = classifier_test.compare(old, new)
    assert other.moved and other.p <= 0.001 and other.accuracy > 0.7
    assert len(other.components["moved"]) >= 1


def test_false_alarms_are_as_rare_as_promised() -> None:
    p = [classifier_test.compare(*np.split(RNG.normal(size=(60, 8)), [30]), seed=k).p for k in range(60)]
    assert np.mean(np.array(p) < 0.1) < 0.25  # expected .1; above .25 in 1 of 2,000 such tests
    assert min(p) > 0


def test_the_reference_has_the_mix_of_the_new_images() -> None:
    run = pd.Series(["cat"] * 90 + ["dog"] * 30 + ["cow"] * 50)
    new = pd.Series(["dog"] * 20 + ["cat"] * 10 + ["emu"] * 5)
    at, of = same_mix.reference(run, new, 0)
    assert run.iloc[at].value_counts().to_dict() == {"dog": 30, "cat": 15}
    assert set(new.iloc[of]) == {"dog", "cat"}
    at, of = same_mix.reference(run, pd.Series([None] * 3, dtype="str"), 0)
    assert len(at) == len(run) and len(of) == 3


def test_pictures_of_another_kind_are_far_though_they_lie_outside_of_the_components() -> None:
    run = np.zeros((200, 60), np.float32)
    run[:, :10] = RNG.normal(size=(200, 10))
    run[:, 10:] = 0.01 * RNG.normal(size=(200, 50))
    alike, odd = np.zeros((2, 40, 60), np.float32)
    alike[:, :10] = RNG.normal(size=(40, 10))
    odd[:, 50:] = 3 + RNG.normal(size=(40, 10))
    near, deviation = distance_to_run.distances(run, alike, 20)
    far, _ = distance_to_run.distances(run, odd, 20)
    assert (np.log(near) < 2.5 * deviation).mean() > 0.9
    assert (np.log(far) > 2.5 * deviation).all()
