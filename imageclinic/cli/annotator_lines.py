"""How good each annotator is, as the command line says it."""

from __future__ import annotations

import pandas as pd

from imageclinic.cli.terminal import Terminal
from imageclinic.core.run import Run

#: So many annotators are listed.
LISTED = 10


def show_annotators(run: Run, terminal: Terminal) -> None:
    """A row an annotator, the worst first; nothing where none is known."""
    annotators = run.info().get("annotators", [])
    if not annotators:
        return
    terminal.title("Annotators, by how often they are right")
    terminal.table(
        pd.DataFrame(
            {
                "annotator": [a["annotator"] for a in annotators[:LISTED]],
                "labels": [f"{a['labels']:,}" for a in annotators[:LISTED]],
                "right": [f"{a['quality']:.1%} ({a['low']:.1%} to {a['high']:.1%})" for a in annotators[:LISTED]],
                "most frequent error": [
                    "{} called {} ({:,.0f})".format(*a["confusion"]) if a["confusion"] else ""
                    for a in annotators[:LISTED]
                ],
            }
        )
    )
    if len(annotators) > LISTED:
        terminal.say(f"{len(annotators) - LISTED:,} more are in the report (imageclinic report).")
