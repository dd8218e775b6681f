"""`imageclinic rerank`."""

from __future__ import annotations

import imageclinic
from imageclinic.cli.arguments import AsJson, RunFolder, terminal_for

PLACE = 60


def rerank(run: RunFolder, as_json: AsJson = False) -> None:
    """Score the labels again with the decisions so far; takes seconds."""
    from imageclinic.cli.terminal import records

    terminal = terminal_for(as_json)
    path, scores = imageclinic.rerank(run, stage=terminal.stage)
    terminal.say(f"{len(scores):,} labels scored: {path}")
    terminal.title("The least likely labels now")
    terminal.table(scores[scores["suggested_label"].notna()].head(10))
    terminal.result({"file": str(path), "worst": records(scores.head(100))})
