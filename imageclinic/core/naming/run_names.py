"""Where runs go when nobody says where. Loads nothing heavy."""

from __future__ import annotations

from pathlib import Path

#: The folder of runs, in the current one.
RUNS = Path("imageclinic-runs")
