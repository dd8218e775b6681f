"""`imageclinic check`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

import imageclinic
from imageclinic.audit.scan.scan_options import ScanOptions
from imageclinic.cli import fail_on as fail_on_limits
from imageclinic.cli.arguments import AsJson, terminal_for
from imageclinic.core.errors import InputError
from imageclinic.core.ids import to_image_id

PLACE = 25


def check(
    new: Annotated[
        str,
        Argument(help="New images: what audit takes, or a folder of unlabelled images."),
    ],
    *,
    against: Annotated[
        Path | None, Option(help="The run folder of the dataset that they are meant for.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        Option(
            help="A new folder for the results. Default: RUN/checks/NAME, and NAME-2 and so on.", show_default=False
        ),
    ] = None,
    checks: Annotated[str, Option(help="Only these checks, separated by commas.", show_default=False)] = "",
    skip: Annotated[str, Option(help="All checks but these, separated by commas.", show_default=False)] = "",
    fail_on: Annotated[
        list[str] | None,
        Option(help="Exit with status 3 when CHECK has N findings or more: CHECK[:N]. Repeatable.", show_default=False),
    ] = None,
    junit: Annotated[
        Path | None, Option(help="Write a JUnit XML file: what --fail-on names fails.", show_default=False)
    ] = None,
    markdown: Annotated[
        Path | None, Option(help="Append a summary in Markdown to this file.", show_default=False)
    ] = None,
    add: Annotated[
        bool, Option("--add", help="Copy the accepted images into the run: its next audit is of them, too.")
    ] = False,
    add_names: Annotated[
        Path | None,
        Option(help="Add the images that this file names, one a line (an edited accepted.txt).", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        Option(
            help="For a run that a file, a function or a hub: model of yours embedded: name it again.",
            show_default=False,
        ),
    ] = None,
    scanning: Annotated[ScanOptions, {"workers": None, "timeout": None, "max_pixels": None}],
    layout: Annotated[
        str | None,
        Option(help="Folders: what each level is (split, class or any), such as split/class.", show_default=False),
    ] = None,
    path_column: Annotated[str | None, Option(help="Manifests: column of paths.", show_default=False)] = None,
    label_column: Annotated[str | None, Option(help="Manifests: column of labels.", show_default=False)] = None,
    split_column: Annotated[str | None, Option(help="Manifests: column of splits.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Check new images against an audited run: copies, labels, classes, outliers, drift. Your images are only read."""
    from imageclinic.audit.against import run_checks
    from imageclinic.cli import check_summaries
    from imageclinic.cli.outcome_table import show_outcomes
    from imageclinic.cli.terminal import records
    from imageclinic.cli.verdict_lines import in_words, shortened
    from imageclinic.core.atomic import write_text

    terminal = terminal_for(as_json)
    limits = fail_on_limits.limits(fail_on or [], run_checks.select)
    given = {"path": path_column, "label": label_column, "split": split_column}
    result = imageclinic.check(
        new,
        against,
        out=out,
        columns={ours: theirs for ours, theirs in given.items() if theirs is not None},
        layout=layout,
        checks=[name.strip() for name in checks.split(",") if name.strip()],
        skip=[name.strip() for name in skip.split(",") if name.strip()],
        model=model,
        add=add if add_names is None else _names(add_names),
        workers=scanning.workers,
        timeout=scanning.timeout,
        max_pixels=scanning.max_pixels,
        stage=terminal.stage,
        say=terminal.say,
    )
    tripped = fail_on_limits.tripped(limits, result.outcomes)
    terminal.title(f"{len(result.images):,} new images against {against}")
    for place, line in enumerate(result.verdict, start=1):
        terminal.say(f"{place}. {in_words(line)}")
        terminal.command(f"   → {shortened(line['command'], result.path)}")
    terminal.say("")
    show_outcomes(result.outcomes, terminal)
    terminal.command(f"Results: {result.path}")
    if junit is not None:
        write_text(junit, check_summaries.junit(result.outcomes, result.issues, tripped))
    if markdown is not None:
        text = check_summaries.markdown(new, str(against), result.verdict, result.outcomes, result.issues, tripped)
        before = markdown.read_text("utf-8") if markdown.is_file() else ""  # a build page that others write to
        write_text(markdown, before + text)
    terminal.result(
        {
            "out": str(result.path),
            "images": len(result.images),
            "accepted": int(result.images["accepted"].sum()),
            "added": list(result.added),
            "verdict": result.verdict,
            "outcomes": records(result.outcomes),
            "drift": result.drift,
            "findings": records(result.issues),
            "tripped": tripped,
        }
    )
    fail_on_limits.end(result.outcomes, tripped, result.path / "check.json", terminal)


def _names(file: Path) -> list[str]:
    """The ids of images that a file names, as accepted.txt does: paths, one a line."""
    try:
        lines = os.fsdecode(file.read_bytes()).splitlines()
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}") from error
    return [to_image_id(line) for line in lines if line]
