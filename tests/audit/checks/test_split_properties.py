"""The check that tells splits apart by one property of their images."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imageclinic.audit.checks import split_properties
from imageclinic.core import tables
from imageclinic.core.errors import NotApplicable
from tests.audit.checks.test_shortcut import classes, dataset

N = 600


def given(**properties: object) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Four classes; every third image is in test."""
    made = dataset(classes(N, 4), **properties)
    split = np.where(np.arange(N) % 3 == 0, "test", "train")
    return made["dataset"].assign(split=pd.Series(split, dtype="str")), made["features"], made["clusters"]


def test_a_random_split_is_clean() -> None:
    assert split_properties.find(*given()).empty


def test_a_dark_test_set_is_found_with_what_else_differs() -> None:
    test = np.arange(N) % 3 == 0
    light = np.random.default_rng(1).random(N)
    files = np.where(test, "PNG", "JPEG")
    found = split_properties.find(*given(luminance_mean=np.where(test, 0.2 * light, 0.3 + 0.7 * light), format=files))
    (evidence,) = found["evidence"]
    assert evidence.startswith("By brightness alone, test images") and "200 images of either" in evidence
    assert "format (1.00)" in evidence
    assert found["score"][0] > 0.95 and split_properties.is_seen(evidence)
    assert "balanced accuracy" in split_properties.headline(evidence) and "format" not in split_properties.headline(
        evidence
    )


def test_a_format_alone_is_nothing_that_a_network_sees() -> None:
    files = np.where(np.arange(N) % 3 == 0, "PNG", "JPEG")
    (evidence,) = split_properties.find(*given(format=files))["evidence"]
    assert not split_properties.is_seen(evidence)


def test_a_framed_test_set_is_what_a_network_sees() -> None:
    (evidence,) = split_properties.find(*given(border=np.where(np.arange(N) % 3 == 0, 0.1, 0.0)))["evidence"]
    assert evidence.startswith("By border alone, test images") and split_properties.is_seen(evidence)


def test_other_shares_of_the_classes_explain_nothing() -> None:
    """Class 0 is dark, and test consists of little else."""
    labels = np.array(classes(N, 4))
    dark = np.where(labels == "class 00", 0.1, 0.8) + 0.1 * np.random.default_rng(1).random(N)
    images, features, clusters = given(luminance_mean=dark)
    of_test = (labels == "class 00") & (np.arange(N) % 8 == 0) | (np.arange(N) % 50 == 1)
    images["split"] = pd.Series(np.where(of_test, "test", "train"), dtype="str")
    assert split_properties.find(images, features, clusters).empty


def test_copies_count_once_and_too_few_images_are_no_sample() -> None:
    images, features, clusters = given(format=np.where(np.arange(N) % 3 == 0, "PNG", "JPEG"))
    ids = images.loc[images["split"] == "test", "image_id"]
    group = [f"copies {n % 10}" for n in range(len(ids))]
    clusters = tables.frame(tables.CLUSTERS, image_id=ids, cluster=group, split_group=group)
    with pytest.raises(NotApplicable, match="20 images"):
        split_properties.find(images, features, clusters)
    with pytest.raises(NotApplicable, match="without splits"):
        split_properties.find(images.assign(split=None), features, clusters)
