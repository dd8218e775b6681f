"""Deciding about the findings: `review`, `status`, `decide`, `rerank`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Option

from imageclinic.cli.arguments import AsJson, RunFolder, terminal_for


def review(
    run: RunFolder,
    port: Annotated[int, Option(help="Port of the App.")] = 5151,
    address: Annotated[str, Option(help="Address to serve on. FiftyOne has no login.")] = "127.0.0.1",
    browser: Annotated[bool, Option("--browser/--no-browser", help="Open a browser.")] = True,
    reviewer: Annotated[str | None, Option(help="Your name in the decision log.", show_default=False)] = None,
) -> None:
    """Decide about the findings in the FiftyOne App."""
    open_review(run, terminal_for(False), port=port, address=address, open_browser=browser, reviewer=reviewer)


def open_review(run: Path, terminal: Any, **options: Any) -> None:
    """Open the App on a run; options as for `workflows.review.review`."""
    from imageclinic.workflows import review as reviewing

    reviewing.review(run, say=terminal.say, stage=terminal.stage, **options)


def status(
    run: RunFolder,
    stop_below: Annotated[
        float | None,
        Option(
            help="Stop reviewing a check when fewer than this many of its next 100 flags are right (20 at first); "
            "kept with the run.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How far the review is, how far the flags can be trusted, and whether to stop."""
    import pandas as pd

    from imageclinic.workflows import decide as deciding
    from imageclinic.workflows.steps import predictions

    terminal = terminal_for(as_json)
    state = deciding.status(run, stop_below=stop_below)
    terminal.say(
        f"{state['images']:,} images, {state['flagged']:,} with findings, "
        f"{state['flagged_decided']:,} of these decided."
    )
    for kind, n in state["decisions"].items():
        terminal.say(f"  {kind}: {n:,}")
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
        terminal.say("Only what persons decided counts here. Precision, of all flags of a check, with a 95 % interval,")
        terminal.say("comes from random reviews (the Calibrate view); – where there are none.")
        for line in state["words"]:
            terminal.say(line)
    if state["label_noise"]:
        terminal.say(predictions.in_words(state["label_noise"]))
    terminal.result(state)


def decide(
    run: RunFolder,
    accept: Annotated[
        list[str] | None,
        Option(help="Accept a check's findings as right: CHECK[:SCORE]. Repeatable.", show_default=False),
    ] = None,
    policy: Annotated[
        Path | None, Option(help="A YAML file with name and accept: {CHECK: SCORE}.", show_default=False)
    ] = None,
    source: Annotated[
        Path | None, Option("--from", help="A CSV file with image_id, decision, label.", show_default=False)
    ] = None,
    undo: Annotated[bool, Option("--undo", help="Take back the last batch.")] = False,
    every: Annotated[
        bool, Option("--all", help="With --undo: all that the reviewer, or policy:NAME, decided.")
    ] = False,
    reviewer: Annotated[str, Option(help="Whose decisions, for --from and --undo.", show_default=False)] = "",
    dry_run: Annotated[bool, Option("--dry-run", help="Show what would be decided; write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Decide without the App: by an explicit policy or from a file. Nothing is dropped by default."""
    from imageclinic.cli.terminal import records
    from imageclinic.workflows import decide as deciding

    terminal = terminal_for(as_json)
    events = deciding.decide(
        run,
        accept=accept or [],
        policy_file=policy,
        source=source,
        undo=undo,
        every=every,
        reviewer=reviewer,
        dry_run=dry_run,
    )
    verb = "would be decided" if dry_run else "decided"
    terminal.say(f"{len(events):,} {'image' if len(events) == 1 else 'images'} {verb}.")
    new = deciding.new_classes(run, events)
    if new:
        terminal.say(f"No image of the dataset was labelled {', '.join(new)} before: a new class, or a slip?")
    if len(events):
        counts = events.groupby(["decision", "given_label"], dropna=False).size().rename("images").reset_index()
        terminal.table(counts, right=("images",))
        columns = ["image_id", "decision", "given_label", "label", "note"]
        terminal.title("The first of them" if len(events) > 20 else "These")
        terminal.table(events[columns].head(20))
    result = {"dry_run": dry_run, "events": records(events)}
    if dry_run:
        classes = deciding.class_counts(run, events)
        terminal.title("Images of each class that would change")
        terminal.table(classes.head(20), right=("before", "after", "change"))
        if len(classes) > 20:
            terminal.say(f"and {len(classes) - 20:,} more classes (--json has all)")
        result["classes"] = records(classes)
    terminal.result(result)


def rerank(run: RunFolder, as_json: AsJson = False) -> None:
    """Score the labels anew with the decisions so far; takes seconds."""
    from imageclinic.cli.terminal import records
    from imageclinic.workflows import rerank as reranking

    terminal = terminal_for(as_json)
    path, scores = reranking.rerank(run, stage=terminal.stage)
    terminal.say(f"{len(scores):,} labels scored: {path}")
    terminal.title("The least likely labels now")
    terminal.table(scores[scores["suggested_label"].notna()].head(10))
    terminal.result({"file": str(path), "worst": records(scores.head(100))})
