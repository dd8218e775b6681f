"""Opens a run in the FiftyOne App."""

from __future__ import annotations

from pathlib import Path

from imageclinic.core.option_fields import PORT
from imageclinic.core.processes.child_process import python_module
from imageclinic.core.processes.optional_packages import require
from imageclinic.core.progress import Say, Stage, quiet, silent
from imageclinic.core.run import open_run


def review(
    run: str | Path,
    *,
    port: int = 5151,
    address: str = "127.0.0.1",
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    open_browser: bool = False,
    reviewer: str | None = None,
    say: Say = silent,
    stage: Stage = quiet,
) -> None:
    """Show a run in the FiftyOne App until Ctrl-C; every decision goes to the run's decisions.csv at once.

    Raises:
        InputError: no run, no mongod, a busy port or a bad certificate; the message says what to do.
    """
    PORT.check("port", port)
    require("fiftyone", "hypercorn", "starlette")
    from imageclinic.cleaning.review.session import open_review
    from imageclinic.cleaning.trust import trust_summary

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
        )
