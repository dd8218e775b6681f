"""What changed between two exports."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def diff(one: str | Path, two: str | Path) -> pd.DataFrame:
    """What changed between two exports: a frame with image_id, change, before, after."""
    from imageclinic.cleaning.export.export_diff import diff as compare

    return compare(Path(one), Path(two))
