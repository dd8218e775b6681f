"""`imageclinic decide`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Option

import imageclinic
from imageclinic.cli.arguments import AsJson, RunFolder, terminal_for

PLACE = 50
_SHOWN = 20


def decide(
    run: RunFolder,
    accept: Annotated[
        list[str] | None,
        Option(
            help="Accept a check's findings as right: CHECK[:SCORE], several separated by commas. Repeatable.",
            show_default=False,
        ),
    ] = None,
    policy: Annotated[
        Path | None, Option(help="A YAML file with name and accept: {CHECK: SCORE}.", show_default=False)
    ] = None,
    source: Annotated[
        Path | None,
        Option(
            "--from",
            help="A .csv with image_id, decision, label; or tasks answered in Label Studio (.json) or CVAT (.xml).",
            show_default=False,
        ),
    ] = None,
    undo: Annotated[bool, Option("--undo", help="Take back the last batch.")] = False,
    every: Annotated[
        bool, Option("--all", help="With --undo: all that the reviewer, or policy:NAME, decided.")
    ] = False,
    reviewer: Annotated[str, Option(help="Whose decisions, for --from and --undo.", show_default=False)] = "",
    dry_run: Annotated[bool, Option("--dry-run", help="Show what would be decided; write nothing.")] = False,
    include_test: Annotated[
        bool, Option("--include-test", help="With a policy: decide about test images, too.")
    ] = False,
    include_conflicts: Annotated[
        bool, Option("--include-conflicts", help="With a policy: decide about copies under different labels, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Decide without the App: by an explicit policy or from a file. Nothing is dropped by default."""
    from imageclinic.audit.verdict.line import number
    from imageclinic.cli.decision_lines import MOST_CLASSES, decision_lines
    from imageclinic.cli.terminal import records
    from imageclinic.core.naming.wording import few
    from imageclinic.workflows.decide import by_class_and_split, class_counts, left_to_persons, new_classes

    terminal = terminal_for(as_json)
    by_policy = not undo and source is None

    def decided(dry: bool) -> Any:
        return imageclinic.decide(
            run,
            accept=accept or [],
            policy_file=policy,
            source=source,
            undo=undo,
            every=every,
            reviewer=reviewer,
            dry_run=dry,
            include_test=include_test,
            include_conflicts=include_conflicts,
        )

    # What a policy does is shown before it is done.
    events = decided(by_policy or dry_run)
    if len(events):
        terminal.title("What the policy does, by class and split" if by_policy else "By class and split")
        counts = by_class_and_split(run, events)
        terminal.table(counts.head(_SHOWN), right=("train", "val", "test", "none"))
        if len(counts) > _SHOWN:
            terminal.say(f"and {len(counts) - _SHOWN:,} more rows (--json has all images)")
    left = left_to_persons(run, events, accept=accept or [], policy_file=policy) if by_policy else {}
    if left.get("test"):
        terminal.say(f"Left to a person: {left['test']:,} test images, by which accuracy is measured (--include-test)")
    if left.get("conflicts"):
        terminal.say(
            f"Left to a person: {left['conflicts']:,} images whose copies carry another label (--include-conflicts)"
        )
    if left.get("unsure"):
        terminal.say(
            f"Left to a person: {left['unsure']:,} flagged labels below that score. In this dataset the predictions "
            "can't tell wrong labels from hard images."
        )
    if by_policy and not dry_run and len(events):
        events = decided(False)
    verb = "would be decided" if dry_run else "decided"
    terminal.say(f"{len(events):,} {'image' if len(events) == 1 else 'images'} {verb}.")
    new = new_classes(run, events)
    if new:
        terminal.say(f"No image of the dataset was labelled {few(new)} before: a new class, or a slip?")
    if len(events):
        for line in decision_lines(events):
            terminal.say(line)
    result = {"dry_run": dry_run, "events": records(events), "left_to_persons": left}
    if dry_run:
        classes = class_counts(run, events)
        if len(classes):
            terminal.title("Images of each class that would change")
            terminal.table(classes.head(MOST_CLASSES), right=("before", "after", "change"))
        if len(classes) > MOST_CLASSES:
            terminal.say(f"and {number(len(classes) - MOST_CLASSES, 'more class', 'more classes')} (--json has all)")
        result["classes"] = records(classes)
    terminal.result(result)
