"""`imageclinic audit`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

import imageclinic
from imageclinic.audit.scan import early_worker
from imageclinic.audit.scan.scan_options import ScanOptions
from imageclinic.cli import fail_on as fail_on_limits
from imageclinic.cli.arguments import AsJson, Seed, terminal_for
from imageclinic.core.naming.run_names import RUNS

PLACE = 20


def audit(
    data: Annotated[
        str,
        Argument(help="Class folders, a manifest, an annotation tool's export; tar, zip, Parquet; s3://bucket/path."),
    ],
    *,
    out: Annotated[
        Path | None,
        Option(
            help="The run folder. Default: imageclinic-runs/DATASET, and FOLDER-MANIFEST for a second manifest.",
            show_default=False,
        ),
    ] = None,
    checks: Annotated[str, Option(help="Only these checks, separated by commas.", show_default=False)] = "",
    skip: Annotated[str, Option(help="All checks but these, separated by commas.", show_default=False)] = "",
    option: Annotated[
        list[str] | None, Option("--set", help="A check's option: CHECK.OPTION=VALUE. Repeatable.", show_default=False)
    ] = None,
    model: Annotated[
        str,
        Option(
            help="What embeds the images: auto, a backbone, a .keras file, hub:PRESET or hub:FOLDER of KerasHub "
            "(pip install 'imageclinic[hub]'), module:function."
        ),
    ] = "auto",
    layer: Annotated[
        str | None, Option(help="For a .keras file: the layer whose output is the vector.", show_default=False)
    ] = None,
    embeddings: Annotated[
        Path | None,
        Option(help="Your embeddings: .parquet or .npz with image_id and embedding.", show_default=False),
    ] = None,
    pred_probs: Annotated[
        Path | None,
        Option(
            help="Your out-of-fold probabilities: .parquet or .csv with image_id and a column per class, or .npz with "
            "image_id, pred_probs and classes.",
            show_default=False,
        ),
    ] = None,
    train: Annotated[
        str, Option(help="What predicts labels: heads (on the embeddings), or full (a network per fold; hours).")
    ] = "heads",
    scanning: ScanOptions,
    engine: Annotated[
        str, Option(help="Where the large stages run (docs/scale.md): local, or ray (pip install 'imageclinic[ray]').")
    ] = "local",
    address: Annotated[
        str | None,
        Option(help="With ray: a cluster's HOST:PORT, or auto. Default: Ray on this machine.", show_default=False),
    ] = None,
    seed: Seed = 0,
    layout: Annotated[
        str | None,
        Option(
            help="Folders: what each level is (split, class or any), such as split/class. Default: as their names say.",
            show_default=False,
        ),
    ] = None,
    path_column: Annotated[
        str | None, Option(help="Manifests: column of paths, or of images.", show_default=False)
    ] = None,
    label_column: Annotated[str | None, Option(help="Manifests: column of labels.", show_default=False)] = None,
    split_column: Annotated[str | None, Option(help="Manifests: column of splits.", show_default=False)] = None,
    group_column: Annotated[
        str | None, Option(help="Manifests: column of groups (person, patient, camera).", show_default=False)
    ] = None,
    annotators: Annotated[
        str | None,
        Option(
            help="Manifests: columns with a label by one annotator each, A,B,C. Default: annotator:NAME.",
            show_default=False,
        ),
    ] = None,
    annotator_column: Annotated[
        str | None,
        Option(help="Manifests with a row per label: column of who gave it. Default: annotator.", show_default=False),
    ] = None,
    label_separator: Annotated[
        str | None,
        Option(
            help="Manifests whose images may have several classes: what separates them, such as '|'.",
            show_default=False,
        ),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        Option(help="Exit with status 3 when CHECK has N findings or more: CHECK[:N]. Repeatable.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find what is wrong with a dataset. Writes nothing but the run folder."""
    with early_worker.waiting(engine == "local" and _is_new(data, out)):
        from imageclinic.audit import runner
        from imageclinic.cli.annotator_lines import show_annotators
        from imageclinic.cli.outcome_table import show_outcomes
        from imageclinic.cli.terminal import records
        from imageclinic.cli.verdict_lines import show_verdict

        terminal = terminal_for(as_json)
        limits = fail_on_limits.limits(fail_on or [], runner.select)
        given = {
            "path": path_column,
            "label": label_column,
            "split": split_column,
            "group": group_column,
            "annotator": annotator_column,
            "annotators": annotators,
        }
        result = imageclinic.audit(
            data,
            out,
            columns={ours: theirs for ours, theirs in given.items() if theirs is not None},
            layout=layout,
            label_separator=label_separator,
            checks=_names(checks),
            skip=_names(skip),
            options=option or [],
            model=model,
            layer=layer,
            embeddings=embeddings,
            pred_probs=pred_probs,
            train=train,
            **vars(scanning),
            engine=engine,
            address=address,
            seed=seed,
            stage=terminal.stage,
            say=terminal.say,
        )
    info = result.run.info()
    place = info["source"] if info.get("packed") else result.run.root
    terminal.title(f"{len(result.run.read_dataset()):,} images in {place}")
    show_outcomes(result.outcomes, terminal)
    show_annotators(result.run, terminal)
    show_verdict(result.run, terminal)
    terminal.say("")
    terminal.command(f"Run folder: {result.run.path}")
    terminal.command(f"Next: imageclinic review {shlex.quote(str(result.run.path))}")
    tripped = fail_on_limits.tripped(limits, result.outcomes)
    terminal.result(
        {
            "run": str(result.run.path),
            "verdict": result.verdict,
            "annotators": result.run.info().get("annotators", []),
            "outcomes": records(result.outcomes),
            "tripped": tripped,
        }
    )
    fail_on_limits.end(result.outcomes, tripped, result.run.info_file, terminal)


def _is_new(data: str, out: Path | None) -> bool:
    """Whether there is surely something to scan: no earlier audit's rows that may hold still. A guess, which costs or
    saves a fraction of a second."""
    run = out or RUNS / Path(data).absolute().name
    exists = os.path.exists  # whatever the text is: a Path would raise for one that is too long
    return exists(data) and not exists(run / "features.parquet")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
