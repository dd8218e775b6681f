"""Composes the report."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from imageclinic.audit import runner
from imageclinic.core.run import open_run
from imageclinic.workflows.status import status


def report(run: str | Path, *, to: str | Path | None = None, truth: pd.DataFrame | None = None) -> Path:
    """Write report.html, one self-contained file, and return its path.

    Args:
        run: an audited run.
        to: the file to write; None: report.html in the run folder.
        truth: for datasets with planted faults: check, image_id and label of each.

    Raises:
        InputError: the run was not audited, or the file can't be written.
    """
    from imageclinic.report import build

    helps = {name: check.help for name, check in runner.load().items()}
    target = None if to is None else Path(to)
    return build.write(open_run(Path(run)), target, truth=truth, status=status(run)["checks"], help=helps)
