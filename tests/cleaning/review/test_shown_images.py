"""Of a large dataset the App shows the worst of each check and class."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imageclinic.cleaning.review.dataset import shown_images

IDS = [f"{n:03}.png" for n in range(400)]


def given() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """400 images of four classes; `blurry` found all of them, `dark` those of class 3; few classes are bad."""
    label = np.arange(400) % 4
    dataset = pd.DataFrame({"image_id": IDS, "label": [f"class {k}" for k in label]})
    score = np.random.default_rng(0).random(400) / 2 + np.where(label == 0, 0.5, 0)
    blurry = pd.DataFrame({"image_id": IDS, "check": "blurry", "score": score})
    dark = pd.DataFrame({"image_id": IDS, "check": "dark", "score": 0.1})[label == 3]
    whole = pd.DataFrame({"image_id": [None], "check": ["class_imbalance"], "score": [1.0]})
    issues = pd.concat([blurry, dark, whole], ignore_index=True)
    clusters = pd.DataFrame({"image_id": [*IDS[:8], "400.png"], "cluster": [IDS[0]] * 8 + [None]})
    current = pd.DataFrame(
        {
            "image_id": IDS[100:104],
            "decision": ["keep", "drop", None, "drop"],
            "reviewer": ["ann", "policy:accept", None, "ben"],
        }
    )
    return issues, dataset, clusters, current, pd.DataFrame({"image_id": ["399.png"]})


def test_the_worst_of_each_check_and_class_are_shown() -> None:
    issues, dataset, clusters, _, sample = given()
    found = shown_images.shown(issues, dataset, clusters.iloc[:0], sample.iloc[:0], 20)
    assert len(found) == 20
    blurry = issues[issues["check"] == "blurry"].merge(dataset, on="image_id")
    for _, rows in blurry.groupby("label"):
        worst = rows.nlargest(4, "score")["image_id"]
        assert worst.isin(found).all()
    assert issues.loc[issues["check"] == "dark", "image_id"].isin(found).sum() >= 4


def test_copies_and_the_random_sample_are_shown() -> None:
    issues, dataset, clusters, _, sample = given()
    issues.loc[issues["image_id"] == IDS[5], "score"] = 0.999
    found = set(shown_images.shown(issues, dataset, clusters, sample, 8))
    assert set(IDS[:8]) <= found, "copies of one of the worst"
    assert "399.png" in found
    assert len(found) <= 8 + 7 + 1


def test_decisions_of_persons_are_shown_and_not_those_of_policies() -> None:
    _, _, _, current, _ = given()
    assert shown_images.decided_by_persons(current).tolist() == ["100.png", "103.png"]
