"""What the checks look for: those of an audit, and those of new images against a run."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit import runner
from imageclinic.audit.against import run_checks
from imageclinic.core.errors import InputError


def explain(check: str | None = None) -> pd.DataFrame:
    """What a check (or every check) detects, why it matters and what to do: a frame with check, command (``audit``, or
    ``check`` for one that looks at new images against a run; a name may have both), summary, help and options.

    Raises:
        InputError: no such check; the message lists them.
    """
    of_audit, of_new = runner.load(), {n: c for n, c in run_checks.load().items() if n not in run_checks.SAME}
    if check is not None and check not in of_audit and check not in of_new:
        new = ", ".join(name for name in of_new if name not in of_audit)
        raise InputError(f"there is no check {check!r}", expected=f"one of {', '.join(of_audit)}; of new images, {new}")
    return pd.DataFrame(
        [
            {"check": c.name, "command": command, "summary": c.summary, "help": c.help, "options": c.options}
            for command, known in (("audit", of_audit), ("check", of_new))
            for c in known.values()
            if check in (None, c.name)
        ]
    )
