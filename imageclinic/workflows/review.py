"""Opens a run in the FiftyOne App."""

from __future__ import annotations

from pathlib import Path

from imageclinic.cleaning.decisions import annotation_tools, priority
from imageclinic.cleaning.reviewers import double_review, team_settings, team_setup
from imageclinic.core import tables
from imageclinic.core.option_fields import GOLD_RATE, PORT, TWO_REVIEWERS
from imageclinic.core.processes.child_process import python_module
from imageclinic.core.processes.optional_packages import require
from imageclinic.core.progress import Say, Stage, quiet, silent
from imageclinic.core.run import open_run
from imageclinic.workflows.steps.run_state import load


def review(
    run: str | Path,
    *,
    port: int = 5151,
    address: str = "127.0.0.1",
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    open_browser: bool = False,
    reviewer: str | None = None,
    tasks: str | Path | None = None,
    image_prefix: str | None = None,
    two_reviewers: int | None = None,
    gold: str | Path | None = None,
    gold_rate: float | None = None,
    say: Say = silent,
    stage: Stage = quiet,
) -> None:
    """Show a run in the FiftyOne App until Ctrl-C; every decision goes to the run's decisions.csv at once.

    With `tasks`, write what waits as tasks for Label Studio (.json, and its configuration beside it) or CVAT (.xml)
    instead; `image_prefix` stands before the paths of images in the addresses for Label Studio. What is answered there
    comes back by ``decide(source=…)``.

    With `two_reviewers`, so many images wait until two persons have decided about each, and neither sees the other's
    decision before their own. With `gold`, a CSV file with columns image_id and label (empty: the image belongs to no
    class), images whose right answer is known are mixed into the queues, `gold_rate` (.05) of them, and look like all
    others; ``status`` counts right answers, and none of them is a decision. With `gold_rate` alone, the images about
    which two persons agreed are taken. The run keeps all this: its reviewers get it, now and later; 0 ends it.

    Raises:
        InputError: no run, no mongod, a busy port or a bad certificate; the message says what to do.
    """
    if tasks is not None:
        _write_tasks(Path(run), Path(tasks), image_prefix, say)
        return
    PORT.check("port", port)
    TWO_REVIEWERS.check("two reviewers", two_reviewers)
    GOLD_RATE.check("gold rate", gold_rate)
    require("fiftyone", "hypercorn", "starlette")
    from imageclinic.cleaning.review.session import open_review
    from imageclinic.cleaning.trust import trust_summary

    if two_reviewers is not None:
        say(f"{team_setup.two_reviewers(open_run(Path(run)), two_reviewers):,} images are for two reviewers.")
    if gold is not None or gold_rate is not None:
        settings = team_setup.gold(open_run(Path(run)), Path(gold) if gold else None, gold_rate)
        known = f"{len(settings.gold):,} from a file, and those about which two persons agreed"
        say(f"Images with a known answer: {settings.gold_rate:.0%} of each queue ({known}).")
    with stage("Preparing the App") as progress:
        open_review(
            Path(run),
            port=port,
            address=address,
            certificate=Path(certificate) if certificate else None,
            key=Path(key) if key else None,
            open_browser=open_browser,
            reviewer=reviewer,
            announce=say,
            progress=progress,
            words=lambda: trust_summary.panel_of(open_run(Path(run))),
            rerank=python_module("imageclinic", "rerank", str(Path(run).absolute())),
            map_embeddings=python_module("imageclinic.workflows.steps.embedding_map", str(Path(run).absolute())),
            report=python_module("imageclinic.workflows.steps.report_in_app", str(Path(run).absolute())),
            word_search=python_module("imageclinic.workflows.steps.reviewing.word_search", str(Path(run).absolute())),
        )


def _write_tasks(run: Path, file: Path, prefix: str | None, say: Say) -> None:
    """The flagged images that nobody has decided about, the most urgent first; of those for two persons, the ones that
    fewer have decided about."""
    state = load(run)
    decided = set(state.current.loc[state.current["decision"].notna(), "image_id"])
    persons = double_review.answering_persons(state.current)
    twice = set(persons.index[persons >= double_review.PERSONS])
    decided -= set(team_settings.read(open_run(run)).two_reviewers) - twice
    queue = priority.per_image(state.issues).merge(state.dataset, on="image_id")
    waiting = queue[~queue["image_id"].isin(decided)].rename(columns={"suggested_label": "suggested"})
    classes = sorted(state.dataset["label"].dropna().unique())
    prefix = annotation_tools.LOCAL_FILES if prefix is None else prefix
    for path, text in annotation_tools.written(file, waiting, classes, prefix):
        tables.write_text(path, text)
        say(f"Written: {path}")
    say(f"{len(waiting):,} images. Answered tasks come back by: imageclinic decide {run} --from EXPORT{file.suffix}")
