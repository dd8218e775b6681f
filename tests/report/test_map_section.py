"""The report's map: only our script may run, hostile names are data, and no flagged image is left out."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd

from imageclinic.core import tables
from imageclinic.report import map_section
from imageclinic.report.thumbnails import Picture

HOSTILE = "</script><script>alert(1)</script><!--&\u2028"
IDS = [f"{n}{HOSTILE}" for n in range(12)]
DATASET = tables.frame(tables.DATASET, image_id=IDS, label=["cat", HOSTILE] * 6, bytes=[1] * 12, mtime_ns=[0] * 12)
ISSUES = tables.frame(
    tables.ISSUES,
    check=["blurry", "mislabeled", "blurry", "few"],
    image_id=[IDS[3], IDS[3], IDS[7], None],
    label=[None, None, None, "cat"],
    score=[0.9, 0.2, 0.5, 1.0],
    suggested_action=["review", "relabel", "review", "review"],
    suggested_label=[None, "cat", None, None],
    evidence=["x"] * 4,
)
MAP = pd.DataFrame({"image_id": IDS, "x": np.linspace(0, 1, 12), "y": 0.5})


def drawn(most: int) -> pd.DataFrame:
    order = ["mislabeled", "blurry"]
    splits = pd.DataFrame({"image_id": IDS[3:4], "split": ["test"]})
    return map_section.points(MAP, DATASET, ISSUES, splits, {IDS[7]: "drop"}, order, seed=1, most=most)


def test_of_many_images_the_flagged_ones_stay_and_lie_above() -> None:
    shown = drawn(4)
    assert len(shown) == 4 and shown["image_id"].tolist()[2:] == [IDS[3], IDS[7]]
    assert shown["check"].tolist()[2:] == ["mislabeled", "blurry"]
    assert shown["suggested"].tolist()[2] == "cat" and shown["given"].tolist()[2] == HOSTILE
    assert shown["split"].tolist()[2] == "test" and shown["decision"].tolist()[3] == "drop"
    assert drawn(12)["check"].notna().sum() == 2
    pd.testing.assert_frame_equal(shown, drawn(4))


def test_hostile_names_are_data_and_pictures_are_not_embedded_twice() -> None:
    asked: list[str] = []

    def picture(image_id: str) -> Picture:
        asked.append(image_id)
        return Picture(uri="data:image/jpeg;base64,AA==")

    content = map_section.content(drawn(12), frozenset(IDS[:4]), picture)
    assert not re.search(r"[<>&\u2028]", content["data"])
    data = json.loads(content["data"])
    assert data["id"][-2:] == [IDS[3], IDS[7]] and set(asked) == set(IDS[4:])
    assert sorted(map(int, data["pictures"])) == [n for n, image_id in enumerate(data["id"]) if image_id in asked]
    given, suggested = data["by"]["given"], data["by"]["suggested"]
    assert suggested["values"] == given["values"]
    assert [given["values"][n] for n in given["at"]] == [
        DATASET.set_index("image_id")["label"][image_id] for image_id in data["id"]
    ]
    assert suggested["at"].count(-1) == 11 and sorted(data["by"]["check"]["values"]) == ["Blurry", "Mislabeled"]
