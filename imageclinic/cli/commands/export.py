"""`imageclinic export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

import imageclinic
from imageclinic.cleaning.export import formats
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cli.arguments import AsJson, RunFolder, Seed, terminal_for
from imageclinic.cli.commands.verify import show_proofs
from imageclinic.core.errors import InputError
from imageclinic.core.stores.addresses import shown_place

PLACE = 70


def export(
    run: RunFolder,
    out: Annotated[
        Path | None, Argument(help="A new folder, or an address such as s3://bucket/pets.", show_default=False)
    ] = None,
    out_option: Annotated[
        Path | None, Option("--out", help="The same as the argument OUT, as audit has it.", show_default=False)
    ] = None,
    split: Annotated[
        str,
        Option(
            help="Shares of train, val and test, or so many images of each, such as 1000,100,200 or rest,100,200. "
            "Images frozen as test stay test."
        ),
    ] = "0.8,0.1,0.1",
    format: Annotated[str, Option(help=formats.help_text())] = ExportOptions.format,
    link: Annotated[str, Option(help="copy, hardlink, symlink or reflink.")] = ExportOptions.link,
    keep_split: Annotated[
        Path | None,
        Option(help="manifest.csv of an earlier export: its images stay where they were.", show_default=False),
    ] = None,
    balance: Annotated[
        str,
        Option(help="Of the training images only: none, weights (a file), oversample or undersample (a manifest)."),
    ] = ExportOptions.balance,
    reencode: Annotated[
        str,
        Option(
            help="none, png or jpeg: for images that Keras can't read or shows otherwise than a person sees them, and "
            "damaged ones that were decided to stay."
        ),
    ] = ExportOptions.reencode,
    near_copies: Annotated[
        str,
        Option(
            help="together: near copies are never divided between splits. apart: only equal pictures stay together, as "
            "for a camera that does not move."
        ),
    ] = ExportOptions.near_copies,
    allow_incomplete: Annotated[
        bool, Option("--allow-incomplete", help="Export also where val or test is empty, or a class is missing there.")
    ] = ExportOptions.allow_incomplete,
    seed: Seed = ExportOptions.seed,
    allow_lost_classes: Annotated[
        bool, Option("--allow-lost-classes", help="Export also where no image is left of a class.")
    ] = ExportOptions.allow_lost_classes,
    as_json: AsJson = False,
) -> None:
    """Write the cleaned dataset: stratified, copies on one side, proven before OUT gets its name."""

    if (out is None) == (out_option is None):
        problem = "no place to export to" if out is None else f"two places to export to: {out} and --out {out_option}"
        raise InputError(problem, expected="imageclinic export RUN OUT, or imageclinic export RUN --out OUT")
    target = out or out_option
    assert target is not None
    terminal = terminal_for(as_json)
    summary = imageclinic.export(
        run,
        target,
        split=_parts(split),
        format=format,
        link=link,
        keep_split=keep_split,
        balance=balance,
        reencode=reencode,
        near_copies=near_copies,
        allow_incomplete=allow_incomplete,
        seed=seed,
        allow_lost_classes=allow_lost_classes,
        stage=terminal.stage,
        say=terminal.say,
    )
    terminal.say(f"Exported to {shown_place(target)}")
    terminal.result(summary)
    show_proofs(summary["proofs"], terminal, target)


def _parts(text: str) -> list[float | None]:
    try:
        return [None if part.strip() == "rest" else float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"--split {text!r}", expected="three shares or numbers, such as 0.8,0.1,0.1 or rest,100,200"
        ) from None
