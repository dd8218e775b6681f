"""The command line. Every command imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from audit.errors import Failed, InputError

app = typer.Typer(
    name="imageclinic",
    help="Audit, clean and retrain: find out why an image classifier's accuracy stopped improving.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

RunFolder = Annotated[Path, Argument(help="A run folder, written by imageclinic audit.", show_default=False)]
AsJson = Annotated[bool, Option("--json", help="Print one JSON object; human text goes to standard error.")]
Seed = Annotated[int, Option(help="Seed of everything that is drawn at random.")]


def _terminal(as_json: bool) -> Any:
    from imageclinic.console import Terminal

    return Terminal(as_json)


@app.command()
def demo(
    open_app: Annotated[bool, Option("--app", help="Open the FiftyOne App on the result at the end.")] = False,
    out: Annotated[Path, Option(help="Where the demo's folders are made.")] = Path("imageclinic-runs"),
    seeds: Annotated[int, Option(help="Paired training runs of the comparison.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Run the whole chain on the sample data: audit, decide, export, compare, report."""
    from imageclinic.demo import demo as run_demo

    terminal = _terminal(as_json)
    result = run_demo(out, seeds=seeds, terminal=terminal)
    terminal.result(result)
    if open_app:
        _review(Path(result["run"]), terminal)


@app.command()
def audit(
    data: Annotated[str, Argument(help="Class folders, split/class folders, or a .csv/.parquet manifest.")],
    out: Annotated[
        Path | None, Option(help="The run folder. Default: imageclinic-runs/NAME.", show_default=False)
    ] = None,
    checks: Annotated[str, Option(help="Only these checks, separated by commas.", show_default=False)] = "",
    skip: Annotated[str, Option(help="All checks but these, separated by commas.", show_default=False)] = "",
    option: Annotated[
        list[str] | None, Option("--set", help="A check's option: CHECK.OPTION=VALUE. Repeatable.", show_default=False)
    ] = None,
    model: Annotated[
        str, Option(help="What embeds the images: auto, a backbone, a .keras file, module:function.")
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
    workers: Annotated[int | None, Option(help="Processes that scan. Default: all cores.", show_default=False)] = None,
    timeout: Annotated[
        float, Option(min=1, help="Seconds after which a file is given up as hanging its decoder.")
    ] = 30,
    max_pixels: Annotated[int, Option(min=1, help="Larger pictures are not decoded.")] = 178_956_970,
    rehash: Annotated[
        bool, Option("--rehash", help="Read every file, not only those whose size or time changed.")
    ] = False,
    seed: Seed = 0,
    path_column: Annotated[str | None, Option(help="Manifests: column of paths.", show_default=False)] = None,
    label_column: Annotated[str | None, Option(help="Manifests: column of labels.", show_default=False)] = None,
    split_column: Annotated[str | None, Option(help="Manifests: column of splits.", show_default=False)] = None,
    group_column: Annotated[
        str | None, Option(help="Manifests: column of groups (person, patient, camera).", show_default=False)
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        Option(help="Exit with status 3 when CHECK has N findings or more: CHECK[:N]. Repeatable.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find what is wrong with a dataset. Writes nothing but the run folder."""
    from imageclinic import auditing
    from imageclinic.console import records

    terminal = _terminal(as_json)
    limits = _limits(fail_on or [])
    given = {"path": path_column, "label": label_column, "split": split_column, "group": group_column}
    result = auditing.audit(
        data,
        out,
        columns={ours: theirs for ours, theirs in given.items() if theirs is not None},
        checks=_names(checks),
        skip=_names(skip),
        options=option or [],
        model=model,
        layer=layer,
        embeddings=embeddings,
        pred_probs=pred_probs,
        train=train,
        workers=workers,
        timeout=timeout,
        max_pixels=max_pixels,
        rehash=rehash,
        seed=seed,
        stage=terminal.stage,
        say=terminal.say,
    )
    terminal.title(f"{len(result.run.read_dataset()):,} images in {result.run.root}")
    terminal.table(auditing.summary(result.outcomes), right=("findings", "seconds"))
    terminal.say(f"\nRun folder: {result.run.path}")
    terminal.say(f"Next: imageclinic review {result.run.path}")
    counts = dict(zip(result.outcomes["check"], result.outcomes["n_issues"], strict=True))
    tripped = sorted(check for check, least in limits.items() if counts[check] >= least)
    terminal.result({"run": str(result.run.path), "outcomes": records(result.outcomes), "tripped": tripped})
    failed = result.outcomes.loc[result.outcomes["outcome"] == "failed", "check"].tolist()
    if failed:
        raise Failed(f"checks that failed: {', '.join(failed)}; their tracebacks are in {result.run.info_file}")
    if tripped:
        terminal.say(f"--fail-on: {', '.join(tripped)}")
        raise typer.Exit(3)


@app.command()
def review(
    run: RunFolder,
    port: Annotated[int, Option(help="Port of the App.")] = 5151,
    address: Annotated[str, Option(help="Address to serve on. FiftyOne has no login.")] = "127.0.0.1",
    browser: Annotated[bool, Option("--browser/--no-browser", help="Open a browser.")] = True,
    reviewer: Annotated[str | None, Option(help="Your name in the decision log.", show_default=False)] = None,
) -> None:
    """Decide about the findings in the FiftyOne App."""
    _review(run, _terminal(False), port=port, address=address, open_browser=browser, reviewer=reviewer)


def _review(run: Path, terminal: Any, **options: Any) -> None:
    from imageclinic import reviewing

    reviewing.review(run, say=terminal.say, stage=terminal.stage, **options)


@app.command()
def status(run: RunFolder, as_json: AsJson = False) -> None:
    """How far the review is, and how right the flags were so far."""
    import pandas as pd

    from imageclinic import deciding, predicting

    terminal = _terminal(as_json)
    state = deciding.status(run)
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
        terminal.say("Precision, with a 95 % interval, comes from random reviews only; – where there are none.")
        for line in deciding.in_words(checks):
            terminal.say(line)
    if state["label_noise"]:
        terminal.say(predicting.in_words(state["label_noise"]))
    terminal.result(state)


@app.command()
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
    from imageclinic import deciding
    from imageclinic.console import records

    terminal = _terminal(as_json)
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
    terminal.say(f"{len(events):,} images {verb}.")
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


@app.command()
def rerank(run: RunFolder, as_json: AsJson = False) -> None:
    """Score the labels anew with the decisions so far; takes seconds."""
    from imageclinic import reranking
    from imageclinic.console import records

    terminal = _terminal(as_json)
    path, scores = reranking.rerank(run, stage=terminal.stage)
    terminal.say(f"{len(scores):,} labels scored: {path}")
    terminal.title("The least likely labels now")
    terminal.table(scores[scores["suggested_label"].notna()].head(10))
    terminal.result({"file": str(path), "worst": records(scores.head(100))})


@app.command()
def export(
    run: RunFolder,
    out: Annotated[Path, Argument(help="A new folder.", show_default=False)],
    split: Annotated[
        str, Option(help="Shares of train, val and test; images frozen as test stay test.")
    ] = "0.8,0.1,0.1",
    format: Annotated[str, Option(help="folders or manifest.")] = "folders",
    link: Annotated[str, Option(help="copy, hardlink or symlink.")] = "copy",
    keep_split: Annotated[
        Path | None,
        Option(help="manifest.csv of an earlier export: its images stay where they were.", show_default=False),
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Write the cleaned dataset: stratified, copies on one side, proven after writing."""
    from imageclinic import exporting

    terminal = _terminal(as_json)
    summary = exporting.export(
        run,
        out,
        split=_shares(split),
        format=format,
        link=link,
        keep_split=keep_split,
        seed=seed,
        stage=terminal.stage,
        say=terminal.say,
    )
    terminal.say(f"Exported to {out}")
    terminal.result(summary)
    _show_proofs(summary["proofs"], terminal, out)


@app.command()
def verify(
    out: Annotated[Path, Argument(help="A folder that imageclinic export wrote.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Prove an export again: hashes, counts, classes, no copies in two splits."""
    from imageclinic import exporting

    terminal = _terminal(as_json)
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


@app.command()
def diff(
    one: Annotated[Path, Argument(help="An export.", show_default=False)],
    two: Annotated[Path, Argument(help="Another export.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """What changed between two exports."""
    from imageclinic import exporting
    from imageclinic.console import records

    terminal = _terminal(as_json)
    changes = exporting.diff(one, two)
    terminal.say(f"{len(changes):,} changes.")
    if len(changes):
        terminal.table(changes.head(50))
    terminal.result({"changes": records(changes)})


@app.command()
def train(
    out: Annotated[Path, Argument(help="A folder that imageclinic export wrote.", show_default=False)],
    to: Annotated[Path | None, Option(help="Folder for the model. Default: OUT-model.", show_default=False)] = None,
    model: Annotated[str, Option(help="Rung of the ladder: linear, small_cnn, large_cnn.")] = "small_cnn",
    epochs: Annotated[int, Option(help="Most epochs.")] = 30,
    seed: Seed = 0,
    size: Annotated[int | None, Option(help="Side in pixels. Default: from the images.", show_default=False)] = None,
    batch_size: Annotated[int, Option(help="Images a step.")] = 64,
    learning_rate: Annotated[float, Option(help="Of AdamW, at its highest.")] = 1e-3,
    schedule: Annotated[str, Option(help="How the learning rate falls: plateau or cosine.")] = "plateau",
    warm_up: Annotated[int, Option(help="Epochs over which the learning rate rises first.")] = 0,
    patience: Annotated[int, Option(help="Epochs without progress before training stops.")] = 5,
    weight_decay: Annotated[float, Option(help="Of AdamW, on kernels.")] = 1e-3,
    dropout: Annotated[float, Option(help="Share of the last features dropped in training.")] = 0.2,
    l1: Annotated[float, Option(help="L1 penalty on kernels.")] = 0.0,
    l2: Annotated[float, Option(help="L2 penalty on kernels.")] = 0.0,
    augment: Annotated[str, Option(help="none, light or medium.")] = "light",
    mirror: Annotated[str, Option(help="Mirror images: yes, no, or auto, where that keeps their class.")] = "auto",
    balance: Annotated[str, Option(help="Rare classes: none, weights (in the loss), sampling (shown more).")] = "none",
    as_json: AsJson = False,
) -> None:
    """Train on an export: a .keras file, its metrics and a model card. Run again, a killed training goes on."""
    from imageclinic import comparing

    terminal = _terminal(as_json)
    to = to or Path(f"{out}-model")
    metrics = comparing.train(
        out,
        to=to,
        stage=terminal.stage,
        model=model,
        epochs=epochs,
        seed=seed,
        size=size,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
        warm_up=warm_up,
        patience=patience,
        weight_decay=weight_decay,
        dropout=dropout,
        l1=l1,
        l2=l2,
        augment=augment,
        mirror=mirror,
        balance=balance,
    )
    for part in ("validation", "test"):
        if metrics[part]:
            scores = metrics[part]
            terminal.say(f"{part}: accuracy {scores['accuracy']:.3f}, macro-F1 {scores['macro_f1']:.3f}")
    terminal.say(f"Written to {to}: model.keras, metrics.json, MODEL_CARD.md, logs")
    terminal.result({"folder": str(to), **metrics})


@app.command()
def compare(
    before: Annotated[
        Path, Argument(metavar="RUN|BEFORE", help="A run folder; or, with AFTER, a dataset.", show_default=False)
    ],
    after: Annotated[
        Path | None,
        Argument(
            metavar="[AFTER]",
            help="Another dataset with the same test images: an export, train/… and test/… folders, or a manifest.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str, Option(help="features (fast), a rung of the ladder, or FILE.keras, trained anew.")
    ] = "features",
    seeds: Annotated[int, Option(help="Paired runs of each arm.")] = 5,
    epochs: Annotated[int | None, Option(help="Most epochs of a run.", show_default=False)] = None,
    seed: Seed = 0,
    truth: Annotated[
        Path | None,
        Option(help="For benchmarks: a .csv of image_id and true label; adds a random review.", show_default=False),
    ] = None,
    to: Annotated[
        Path | None,
        Option(help="For two datasets: the folder of the result. Default: AFTER-comparison.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Retrain on the original and the cleaned images; test both on the same images."""
    from imageclinic import comparing

    terminal = _terminal(as_json)

    def interrupted(partial: dict[str, Any]) -> None:
        terminal.say(f"Interrupted after {len(partial['seeds'])} of {seeds} seeds. What these say so far:")
        show_comparison(partial, terminal)

    result = comparing.compare(
        before,
        after,
        model=model,
        seeds=seeds,
        epochs=epochs,
        seed=seed,
        truth=truth,
        to=to,
        stage=terminal.stage,
        interrupted=interrupted,
    )
    show_comparison(result, terminal)
    terminal.result(result)


def show_comparison(result: dict[str, Any], terminal: Any) -> None:
    """Print a comparison: the arms' accuracies, the verdict and its notes."""
    import numpy as np
    import pandas as pd

    rows = [
        {
            "arm": name.replace("_", " "),
            "train": arm["n_train"],
            "val": arm["n_val"],
            **{
                f"accuracy, {labels.replace('_', ' ')} labels": f"{np.mean(arm[labels]['accuracy']):.3f}"
                for labels in ("original", "reviewed", "reviewed_at_random")
                if arm.get(labels)
            },
        }
        for name, arm in result["arms"].items()
    ]
    terminal.table(pd.DataFrame(rows), right=("train", "val"))
    terminal.title(result["verdict"])
    terminal.say(result["power_hint"])
    for note in result.get("notes", []):
        terminal.say(note)


@app.command()
def diagnose(
    history: Annotated[
        Path,
        Option(help="A .csv of Keras's CSVLogger, or the metrics.json of imageclinic train.", show_default=False),
    ],
    classes: Annotated[
        int | None, Option(help="Number of classes: tells what guessing would give.", show_default=False)
    ] = None,
    val_images: Annotated[
        int | None, Option(help="Number of validation images: tells how much is chance.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Why is accuracy not improving: what the curves of one training run say, and what they can't."""
    from imageclinic import diagnosing

    terminal = _terminal(as_json)
    result = diagnosing.diagnose(history=history, classes=classes, val_images=val_images)
    for sign in result["signs"]:
        terminal.title(sign["sign"].replace("_", " "))
        terminal.say(sign["evidence"])
        terminal.say(f"May mean: {', '.join(m.replace('_', ' ') for m in sign['may_mean'])}")
        terminal.say(f"What to do: {sign['remedy']}")
    if not result["signs"]:
        terminal.say(f"{result['epochs']} epochs, and no sign of trouble in their curves. That does not mean healthy.")
    terminal.title("What these curves can't tell")
    for line in result["unknown"]:
        terminal.say(f"- {line}")
    terminal.result(result)


@app.command()
def report(run: RunFolder, as_json: AsJson = False) -> None:
    """Write report.html, one self-contained file."""
    from imageclinic import comparing

    terminal = _terminal(as_json)
    path = comparing.report(run)
    terminal.say(f"Report: {path}")
    terminal.result({"report": str(path)})


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """What this machine offers, and the remedy for each lack."""
    from imageclinic import doctor as module
    from imageclinic.console import records

    terminal = _terminal(as_json)
    found = module.doctor(stage=terminal.stage)
    terminal.table(found)
    terminal.result({"found": records(found)})


@app.command()
def explain(
    check: Annotated[str | None, Argument(help="A check. Default: all.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """What a check detects, why it matters, and what to do."""
    from imageclinic import auditing
    from imageclinic.console import records

    terminal = _terminal(as_json)
    found = auditing.explain(check)
    if check is None:
        terminal.table(found[["check", "summary"]])
    else:
        terminal.title(check)
        terminal.say(found["help"].iloc[0])
        for name, default in found["options"].iloc[0].items():
            terminal.say(f"  --set {check}.{name}={default}   (the default)")
    terminal.result({"checks": records(found)})


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _limits(texts: list[str]) -> dict[str, int]:
    from audit import runner

    limits = {}
    for text in texts:
        name, _, number = text.partition(":")
        runner.select([name])
        if number and not (number.isdigit() and int(number) > 0):
            raise InputError(f"--fail-on {text!r}", expected="CHECK or CHECK:N with a number from 1")
        limits[name] = int(number or 1)
    return limits


def _shares(text: str) -> tuple[float, float, float]:
    try:
        train, val, test = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--split {text!r}", expected="three shares, such as 0.8,0.1,0.1") from None
    return train, val, test


_INTERRUPTED = "imageclinic: interrupted. What is done is kept: run the same command again to go on."


def main() -> None:
    """Entry point: user errors are one line and status 2, failures status 1, Ctrl-C status 130."""
    try:
        app()
    except InputError as error:
        _stop(f"imageclinic: {error}", 2)
    except Failed as error:
        _stop(f"imageclinic: {error}", 1)
    except KeyboardInterrupt:
        _stop(_INTERRUPTED, 130)
    except SystemExit as end:
        if end.code == 130:  # what typer makes of Ctrl-C, without a word
            _stop(_INTERRUPTED, 130)
        raise
    except BrokenPipeError:
        # The reader of our output (head, less) went away: that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def _stop(message: str, status: int) -> None:
    sys.stderr.write(message + "\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
