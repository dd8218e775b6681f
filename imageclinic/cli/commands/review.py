"""`imageclinic review`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

import imageclinic
from imageclinic.cli.arguments import RunFolder, terminal_for
from imageclinic.core.option_fields import GOLD_RATE, PORT, TWO_REVIEWERS

PLACE = 30


def review(
    run: RunFolder,
    port: Annotated[int, Option(help="Port of the App."), PORT] = 5151,
    address: Annotated[
        str, Option(help="Address to serve on; 0.0.0.0 for all. Only who has the printed link is let in.")
    ] = "127.0.0.1",
    certificate: Annotated[
        Path | None, Option(help="Serve on https with this certificate (PEM).", show_default=False)
    ] = None,
    key: Annotated[Path | None, Option(help="The certificate's private key (PEM).", show_default=False)] = None,
    browser: Annotated[bool, Option("--browser/--no-browser", help="Open a browser.")] = True,
    reviewer: Annotated[str | None, Option(help="Your name in the decision log.", show_default=False)] = None,
    two_reviewers: Annotated[
        int | None,
        Option(
            help="So many images, drawn once for the run, wait until two persons have decided about each.",
            show_default=False,
        ),
        TWO_REVIEWERS,
    ] = None,
    gold: Annotated[
        Path | None,
        Option(
            help="CSV with image_id and label: images with a known answer, mixed into the queues to see how often "
            "reviewers are right.",
            show_default=False,
        ),
    ] = None,
    gold_rate: Annotated[
        float | None,
        Option(
            help="Share of a queue that is images with a known answer (0.05 with --gold); without a file those about "
            "which two persons agreed.",
            show_default=False,
        ),
        GOLD_RATE,
    ] = None,
    tasks: Annotated[
        Path | None,
        Option(
            help="Open nothing: write what waits as tasks for Label Studio (.json) or CVAT (.xml).", show_default=False
        ),
    ] = None,
    image_prefix: Annotated[
        str | None,
        Option(
            help="With --tasks: what comes before an image's path in its address. Default: Label Studio's local files.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Decide about the findings in the FiftyOne App."""
    terminal = terminal_for(False)
    imageclinic.review(
        run,
        port=port,
        address=address,
        certificate=certificate,
        key=key,
        open_browser=browser,
        reviewer=reviewer,
        tasks=tasks,
        image_prefix=image_prefix,
        two_reviewers=two_reviewers,
        gold=gold,
        gold_rate=gold_rate,
        say=terminal.say,
        stage=terminal.stage,
    )
