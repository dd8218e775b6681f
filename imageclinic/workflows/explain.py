"""What the checks look for."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit import runner


def explain(check: str | None = None) -> pd.DataFrame:
    """What a check (or every check) detects, why it matters and what to do: a frame with check, help, options.

    Raises:
        InputError: no such check; the message lists them.
    """
    chosen, _ = runner.select([check] if check else [])
    return pd.DataFrame(
        [{"check": c.name, "summary": c.summary, "help": c.help, "options": c.options} for c in chosen.values()]
    )
