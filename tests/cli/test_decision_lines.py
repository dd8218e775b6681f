"""Decisions are folded: the number of lines does not grow with classes or images."""

from __future__ import annotations

import pandas as pd

from imageclinic.cli.decision_lines import decision_lines


def events(n: int, classes: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": [f"{i}.png" for i in range(n)],
            "decision": ["drop" if i % 2 else "relabel" for i in range(n)],
            "given_label": [f"class {i % classes}" for i in range(n)],
            "label": [None if i % 2 else "x" for i in range(n)],
            "note": ["Copy of y." if i == 1 else None for i in range(n)],
        }
    )


def test_lines_do_not_grow() -> None:
    lines = decision_lines(events(1000, 100))
    assert len(lines) == 2 + 5 + 1
    assert lines[0].startswith("drop: 500 (class 1 10, class 11 10, ")
    assert lines[0].endswith(" and 420 of 42 more)"), "50 odd classes, 8 of them named"
    assert lines[-1] == "  and 995 more (--json has all)"


def test_few_decisions_are_all_there() -> None:
    assert decision_lines(events(3, 3)) == [
        "drop: 1 (class 1 1)",
        "relabel: 2 (class 0 → x 1, class 2 → x 1)",
        "  0.png relabel → x",
        "  1.png drop: Copy of y.",
        "  2.png relabel → x",
    ]


def test_images_without_a_label_count() -> None:
    given = events(2, 1).assign(given_label=None)
    assert decision_lines(given)[0] == "drop: 1 (no label 1)"
