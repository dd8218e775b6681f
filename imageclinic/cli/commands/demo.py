"""`imageclinic demo`: the whole chain on the sample data, with its planted truth: what users see first."""

from __future__ import annotations

import itertools
import shlex
import time
from pathlib import Path
from typing import Annotated, Any

from typer import Option

import imageclinic
from imageclinic.cli.arguments import AsJson, terminal_for
from imageclinic.cli.commands.compare import show_comparison
from imageclinic.training.option_ranges import RUNS

PLACE = 10


#: What the demo accepts without a person: findings that need no taste, and only the surest mislabels.
POLICY = (
    "corrupted",
    "conflicting_label",
    "exact_duplicate",
    "near_duplicate",
    "split_leakage",
    "low_information",
    "outlier",
    "mislabeled:0.9",
)


def demo(
    open_app: Annotated[bool, Option("--app", help="Open the FiftyOne App on the result at the end.")] = False,
    out: Annotated[Path, Option(help="Where the demo's folders are made.")] = Path("imageclinic-runs"),
    seeds: Annotated[int, Option(help="Paired training runs of the comparison."), RUNS] = 5,
    as_json: AsJson = False,
) -> None:
    """Run the whole chain on the sample data: audit, decide, export, compare, report."""
    terminal = terminal_for(as_json)
    result = run_demo(out, seeds=seeds, terminal=terminal)
    terminal.result(result)
    if open_app:
        imageclinic.review(result["run"], say=terminal.say, stage=terminal.stage)


def run_demo(out: Path, *, seeds: int, terminal: Any) -> dict[str, Any]:
    """Audit the sample data, decide by a policy, export, prove, compare and report.

    Args:
        out: folder in which the demo's run and export are made; earlier ones are kept.
        seeds: paired runs of the comparison.
        terminal: where it is shown.

    Returns:
        The paths that were made, precision and recall per check, and the verdict.
    """
    import pandas as pd

    from imageclinic import sample_data
    from imageclinic.cli.outcome_table import outcome_table, show_reasons
    from imageclinic.report.planted_truth import score

    start = time.perf_counter()
    run_path = _unused(out / "demo")
    truth = pd.read_csv(sample_data.PLANTED, dtype="str")

    terminal.title("1. Audit: handwritten digits with planted faults, of which the audit knows nothing")
    result = imageclinic.audit(sample_data.IMAGES, run_path, stage=terminal.stage, say=terminal.say)
    scores = score(result.issues, truth)
    outcomes = outcome_table(result.outcomes)
    # Reasons in a column would break the names of checks on a narrow terminal.
    shown = outcomes.drop(columns="reason").merge(
        scores[["check", "planted", "found", "precision", "recall"]], on="check", how="left", suffixes=("", "_planted")
    )
    terminal.table(shown, right=("findings", "planted", "found", "precision", "recall"))
    show_reasons(outcomes, terminal)

    terminal.title("2. Decide: by an explicit policy here; a person normally does this, in the App")
    # The truth is known here, also of the test images.
    terminal.say("imageclinic decide RUN " + " ".join(f"--accept {p}" for p in POLICY) + " --include-test")
    events = imageclinic.decide(run_path, accept=POLICY, include_test=True)
    for kind, n in events["decision"].value_counts().items():
        terminal.say(f"  {kind}: {n:,}")

    cleaned = run_path.with_name(run_path.name + "-cleaned")
    terminal.title("3. Export: a clean split, proven")
    exported = imageclinic.export(run_path, cleaned, stage=terminal.stage, say=terminal.say)
    for proof in exported["proofs"]:
        terminal.say(f"  {'proven' if proof['ok'] else 'NOT SO'}: {proof['name']}: {proof['detail']}")

    terminal.title("4. Compare: retrained before and after cleaning, tested on the same images")
    comparison = imageclinic.compare(run_path, seeds=seeds, stage=terminal.stage)
    show_comparison(comparison, terminal)

    report = imageclinic.report(run_path, truth=truth, stage=terminal.stage)
    terminal.title(f"Done in {time.perf_counter() - start:.0f} s")
    terminal.say(f"Report:         {report}")
    terminal.say(f"Cleaned data:   {cleaned}")
    terminal.say(f"See it in the App:  imageclinic review {shlex.quote(str(run_path))}")
    terminal.say("On your own data:   imageclinic audit FOLDER")
    return {
        "run": str(run_path),
        "export": str(cleaned),
        "report": str(report),
        "proven": all(p["ok"] for p in exported["proofs"]),
        "checks": scores.to_dict("records"),
        "verdict": comparison["verdict"],
    }


def _unused(path: Path) -> Path:
    """`path`, or the first of path-2, path-3, … that is not there: a person may have decided in the earlier ones."""
    numbered = (path.with_name(f"{path.name}-{n}") for n in itertools.count(2))
    return next(p for p in itertools.chain([path], numbered) if not p.exists())
