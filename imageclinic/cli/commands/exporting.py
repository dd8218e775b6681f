"""The cleaned dataset: `export`, `verify`, `diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from imageclinic.cli.arguments import AsJson, RunFolder, Seed, terminal_for
from imageclinic.core.errors import Failed, InputError


def export(
    run: RunFolder,
    out: Annotated[Path, Argument(help="A new folder.", show_default=False)],
    split: Annotated[
        str,
        Option(
            help="Shares of train, val and test, or so many images of each, such as 1000,100,200 or rest,100,200. "
            "Images frozen as test stay test."
        ),
    ] = "0.8,0.1,0.1",
    format: Annotated[
        str, Option(help="folders, manifest, tfrecord, imagefolder (Hugging Face) or fiftyone.")
    ] = "folders",
    link: Annotated[str, Option(help="copy, hardlink, symlink or reflink.")] = "copy",
    keep_split: Annotated[
        Path | None,
        Option(help="manifest.csv of an earlier export: its images stay where they were.", show_default=False),
    ] = None,
    balance: Annotated[
        str,
        Option(help="Of the training images only: none, weights (a file), oversample or undersample (a manifest)."),
    ] = "none",
    reencode: Annotated[
        str,
        Option(help="none, png or jpeg: for images that Keras can't read, and damaged ones that were decided to stay."),
    ] = "none",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Write the cleaned dataset: stratified, copies on one side, proven before OUT gets its name."""
    from imageclinic.workflows import export as exporting

    terminal = terminal_for(as_json)
    summary = exporting.export(
        run,
        out,
        split=_parts(split),
        format=format,
        link=link,
        keep_split=keep_split,
        balance=balance,
        reencode=reencode,
        seed=seed,
        stage=terminal.stage,
        say=terminal.say,
    )
    terminal.say(f"Exported to {out}")
    terminal.result(summary)
    _show_proofs(summary["proofs"], terminal, out)


def verify(
    out: Annotated[Path, Argument(help="A folder that imageclinic export wrote.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Prove an export again: hashes, counts, classes, no copies in two splits."""
    from imageclinic.workflows import export as exporting

    terminal = terminal_for(as_json)
    proofs = exporting.verify(out, stage=terminal.stage).to_dict("records")
    terminal.result({"out": str(out), "proofs": proofs})
    _show_proofs(proofs, terminal, out)


def _show_proofs(proofs: list[dict[Any, Any]], terminal: Any, out: Path) -> None:
    for proof in proofs:
        mark = "[green]proven[/green]" if proof["ok"] else "[bold red]NOT SO[/bold red]"
        terminal.console.print(mark, end="  ")
        terminal.say(f"{proof['name']}: {proof['detail']}")
    wrong = [p["name"] for p in proofs if not p["ok"]]
    if wrong:
        raise Failed(f"{out} does not hold what it promises: {', '.join(wrong)}")


def diff(
    one: Annotated[Path, Argument(help="An export.", show_default=False)],
    two: Annotated[Path, Argument(help="Another export.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """What changed between two exports."""
    from imageclinic.cli.terminal import records
    from imageclinic.workflows import export as exporting

    terminal = terminal_for(as_json)
    changes = exporting.diff(one, two)
    terminal.say(f"{len(changes):,} changes.")
    if len(changes):
        terminal.table(changes.head(50))
    terminal.result({"changes": records(changes)})


def _parts(text: str) -> list[float | None]:
    try:
        return [None if part.strip() == "rest" else float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"--split {text!r}", expected="three shares or numbers, such as 0.8,0.1,0.1 or rest,100,200"
        ) from None
