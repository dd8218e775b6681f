"""What `imageclinic.audit` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from imageclinic.audit import runner
from imageclinic.core.run import Run

if TYPE_CHECKING:
    from imageclinic.report.notebook import Html


@dataclass(frozen=True)
class Audit:
    """An audit's results: the run folder, the issues table, one outcome per check, and notes: sentences that the user
    should know. It stands for the path of its run wherever one is asked for. A notebook draws it."""

    run: Run
    issues: pd.DataFrame
    outcomes: pd.DataFrame
    notes: Sequence[str] = ()

    def __fspath__(self) -> str:
        return str(self.run.path)

    @property
    def verdict(self) -> list[dict[str, Any]]:
        """What matters most, worst first; see `core.run.Run.verdict`."""
        return self.run.verdict

    def show(self, check: str) -> Html:
        """The worst findings of a check as a contact sheet, for a notebook: ``result.show("mislabeled")``.

        Raises:
            InputError: the audit has no such check.
        """
        from imageclinic.report import notebook

        known = runner.load()
        return notebook.contact_sheet(self.run, check, known[check].help if check in known else "")

    def __repr__(self) -> str:
        return f"<Audit {self.run.path.name}: {len(self.issues):,} findings>"

    def _repr_html_(self) -> str:
        from imageclinic.report import notebook

        title = f"Audit of {len(self.run.read_dataset()):,} images"
        return notebook.summary(title, self.verdict, self.outcomes, self.notes, issues=self.issues, run=self.run)
