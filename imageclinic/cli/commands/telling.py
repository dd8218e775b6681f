"""What is known: `report`, `doctor`."""

from __future__ import annotations

from imageclinic.cli.arguments import AsJson, RunFolder, terminal_for


def report(run: RunFolder, as_json: AsJson = False) -> None:
    """Write report.html, one self-contained file."""
    from imageclinic.workflows import compare

    terminal = terminal_for(as_json)
    path = compare.report(run)
    terminal.say(f"Report: {path}")
    terminal.result({"report": str(path)})


def doctor(as_json: AsJson = False) -> None:
    """What this machine offers, and the remedy for each lack."""
    from imageclinic.cli.terminal import records
    from imageclinic.workflows import doctor as module

    terminal = terminal_for(as_json)
    found = module.doctor(stage=terminal.stage)
    terminal.table(found)
    terminal.result({"found": records(found)})
