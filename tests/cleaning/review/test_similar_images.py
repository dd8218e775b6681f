"""More like this one: the same mistake first, then what looks like it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imageclinic.cleaning.review import similar_images
from imageclinic.core import tables


def dataset(labels: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({"image_id": list(labels), "label": list(labels.values())}).astype("str")


def issues(*rows: tuple[str, str, str | None]) -> pd.DataFrame:
    columns = ["check", "image_id", "suggested_label"]
    return pd.DataFrame(rows, columns=columns).reindex(columns=tables.ISSUES.names)


IMAGES = dataset({"a": "cat", "b": "cat", "c": "cat", "d": "dog", "e": "cat", "f": "cat"})
FOUND = issues(("mislabeled", "a", "dog"), ("mislabeled", "b", "dog"), ("mislabeled", "c", "dog"), ("dark", "c", None))
LIKENESS = pd.Series({"a": 1.0, "b": 0.1, "c": 0.4, "d": 0.9, "e": 0.8, "f": 0.7})


def test_the_same_mistake_comes_first_and_then_the_most_alike() -> None:
    assert similar_images.like("a", FOUND, IMAGES, LIKENESS) == (["a", "c", "b", "d", "e", "f"], 2)


def test_another_suggestion_or_another_label_is_another_mistake() -> None:
    other = pd.concat([FOUND, issues(("mislabeled", "e", "cow"), ("mislabeled", "d", "dog"))], ignore_index=True)
    assert similar_images.like("a", other, IMAGES, LIKENESS)[1] == 2


def test_what_is_decided_is_no_mistake_any_more() -> None:
    assert similar_images.like("a", FOUND, IMAGES, LIKENESS, {"c"}) == (["a", "b", "d", "e", "f", "c"], 1)


def test_without_a_suggestion_the_same_check() -> None:
    dark = issues(("dark", "d", None), ("dark", "f", None), ("blurry", "e", None))
    assert similar_images.like("d", dark, IMAGES, LIKENESS)[0][:2] == ["d", "f"]


def test_no_more_than_the_most() -> None:
    names = [f"{n:03d}" for n in range(200)]
    likeness = pd.Series(np.linspace(0, 1, 200), index=names)
    found, n = similar_images.like(names[0], issues(), dataset(dict.fromkeys(names, "cat")), likeness)
    assert (len(found), n) == (similar_images.MOST, 0) and found[1] == names[-1]


def test_likeness_is_cosine() -> None:
    vectors = np.array([[1, 0], [2, 2], [0, 3], [0, 0]], np.float32)
    found = similar_images.by_embedding("a", pd.Series(["a", "b", "c", "z"]), vectors)
    assert np.allclose(found, [1, np.sqrt(0.5), 0, 0])
    assert similar_images.by_embedding("nowhere", pd.Series(["a", "b", "c", "z"]), vectors).empty


def test_copies_are_alike_whichever_way_round_they_are_listed() -> None:
    pairs = pd.DataFrame({"image_id": ["a", "c"], "other_id": ["b", "a"], "distance": [4, 1]})
    assert similar_images.by_copies("a", pairs).sort_values(ascending=False).index.tolist() == ["c", "b"]
