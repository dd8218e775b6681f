"""A small real dataset with planted, documented faults. README.md describes it, `make` made it."""

from __future__ import annotations

from pathlib import Path

#: The dataset: split/class folders of handwritten digits. Copy it before you change it.
IMAGES = Path(__file__).resolve().parent / "digits"
#: What was planted: a row per image (or class) and check. ``pd.read_csv(PLANTED, dtype="str")`` reads it.
PLANTED = IMAGES.parent / "planted.csv"
