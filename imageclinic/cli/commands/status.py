"""`imageclinic status`."""

from __future__ import annotations

from typing import Annotated

from typer import Option

import imageclinic
from imageclinic.cli.arguments import AsJson, RunFolder, terminal_for
from imageclinic.core.option_fields import STOP_BELOW

PLACE = 40


def status(
    run: RunFolder,
    stop_below: Annotated[
        float | None,
        Option(
            help="Stop reviewing a check when fewer than this many of its next 100 flags are right (20 at first); "
            "kept with the run.",
            show_default=False,
        ),
        STOP_BELOW,
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How far the review is, how far the flags can be trusted, and whether to stop."""
    import pandas as pd

    from imageclinic.audit.verdict import noise_words
    from imageclinic.cleaning.reviewers import double_review, gold_results
    from imageclinic.cleaning.trust import agreement
    from imageclinic.cli.verdict_lines import show_verdict
    from imageclinic.core.run import open_run

    terminal = terminal_for(as_json)
    state = imageclinic.status(run, stop_below=stop_below)
    several = "" if state["findings"] == state["flagged"] else f" ({state['findings']:,}: some have several)"
    terminal.say(
        f"{state['images']:,} images, {state['flagged']:,} with findings{several}, "
        f"{state['flagged_decided']:,} of these decided."
    )
    for kind, n in state["decisions"].items():
        policy = state["by_policy"].get(kind, 0)
        terminal.say(f"  {kind}: {n:,}" + (f", {policy:,} of them by a policy" if policy else ""))
    if state["disputed"]:
        terminal.say(
            f"{len(state['disputed'])} disputed by reviewers, so undecided: {', '.join(state['disputed'][:5])}"
        )
    if state["stale"]:
        terminal.say(f"{state['stale']} decisions are about files that changed since; they are not applied.")
    if state["checks"]:
        checks = pd.DataFrame(state["checks"])
        estimates = [
            "–" if pd.isna(p) else f"{p:.2f} ({low:.2f} to {high:.2f})"
            for p, low, high in zip(checks["precision"], checks["low"], checks["high"], strict=True)
        ]
        counts = ["flagged", "reviewed", "confirmed", "rejected"]
        terminal.table(checks[["check", *counts]].assign(precision=estimates), right=tuple(counts))
        terminal.say(
            "Only what persons decided counts here. Precision, of all flags of a check, with a 95 % interval, comes "
            "from random reviews (the Calibrate view); – where there are none."
        )
        for line in state["words"]:
            terminal.say(line)
    opened = open_run(run)
    for pair in state["agreement"]:
        terminal.say(agreement.line(pair))
    if two := state["two_reviewers"]:
        terminal.say(double_review.line(two))
        for pair in two["agreement"]:
            terminal.say(f"  of these, {agreement.line(pair)}")
    for one in state["gold"]:
        terminal.say(gold_results.line(one))
    if state["gold_undecided"]:
        terminal.say(
            f"By their known answer {state['gold_undecided']:,} images are to be relabelled or dropped, and nobody has "
            "decided so: imageclinic decide --from FILE does, when the file has a column decision."
        )
    if state["about_classes"]:
        listed = ", ".join(f"{check} {n:,}" for check, n in state["about_classes"].items())
        terminal.say(f"About classes or all images, and no image alone: {listed}.")
    if words := noise_words.beside(state["label_noise"], opened.headlines):
        terminal.say(words)
    audited = "What matters most, as audited, before any decision" if state["decided"] else "What matters most"
    show_verdict(opened, terminal, audited)
    terminal.result(state)
