"""Numbers sort as numbers, where all classes are numbers."""

from __future__ import annotations

import pandas as pd
import pytest

from imageclinic.core.naming import class_order


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([str(n) for n in range(12)], [str(n) for n in range(12)]),
        (["10", "9", "-1", "0.5"], ["-1", "0.5", "9", "10"]),
        (["01", "1", "2"], ["01", "1", "2"]),
        (["10", "2", "cat"], ["10", "2", "cat"]),
        (["b", "a", "b"], ["a", "b"]),
        (["1e3", "20"], ["1e3", "20"]),
    ],
)
def test_order(labels: list[str], expected: list[str]) -> None:
    assert class_order.in_order(reversed(labels)) == expected


def test_a_manifest_keeps_its_order() -> None:
    manifest = pd.DataFrame({"label": ["b", "a", "b"], "class_index": [0, 1, 0]})
    assert class_order.of_manifest(manifest) == ["b", "a"]
    assert class_order.of_manifest(manifest.assign(class_index=None)) is None
    assert class_order.of_manifest(manifest[["label"]]) is None
