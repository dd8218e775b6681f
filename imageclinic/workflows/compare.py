"""Composes the comparison before and after cleaning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.progress import Stage, quiet
from imageclinic.workflows.steps.run_state import load

#: Called with a comparison of the seeds that were done when Ctrl-C came.
Interrupted = Callable[[dict[str, Any]], None]


def compare(
    run: str | Path,
    after: str | Path | None = None,
    *,
    model: str = "features",
    seeds: int = 5,
    epochs: int | None = None,
    seed: int = 0,
    size: int | None = None,
    unfreeze: int = 0,
    weights: str | Path | None = None,
    truth: str | Path | None = None,
    to: str | Path | None = None,
    stage: Stage = quiet,
    interrupted: Interrupted | None = None,
) -> dict[str, Any]:
    """Retrain on the original and the cleaned images, and test both on the same images.

    Args:
        run: a run folder; or, with `after`, a dataset: an export, a folder with a test part, or a manifest.
        after: another dataset, with the same test images.
        model: ``features``, a rung of the ladder or a ``.keras`` file, see `training.compare.retrain`.
        seeds, epochs, seed, size, unfreeze, weights: see `training.compare.retrain.compare`.
        truth: a CSV file with the true labels (image_id, label) of a run's images, for benchmarks: adds the control
            ``random_review``, as many reviews as were done, of images drawn at random, by a reviewer who is right.
        to: for two datasets, the folder for comparison.json and finished runs; None: ``AFTER-comparison``.
        stage: progress.
        interrupted: told what the seeds that are done say, when Ctrl-C comes; KeyboardInterrupt goes on.

    Returns:
        The content of comparison.json, which is written to the run folder, or to `to`.

    Raises:
        InputError: no test images, one class, datasets whose test images differ, a model that does not fit.
    """
    from imageclinic import training

    training.load_tensorflow()
    from imageclinic.training.compare import comparison_recipe
    from imageclinic.training.compare import retrain as retraining
    from imageclinic.workflows.steps import comparison_arms as arms_of

    comparison_recipe.known(model, unfreeze=unfreeze, weights=None if weights is None else Path(weights))
    notes: list[str] = []
    if after is None:
        state = load(run)
        arms, test = arms_of.of_run(state, seed)
        file, cache = state.run.comparison, state.run.path / "comparison"
        if to is not None:
            raise InputError(f"--to {to} with a run", expected="two datasets; a run keeps its own comparison")
    else:
        if truth is not None:
            raise InputError("--truth with two datasets", expected="a run, which knows how much was reviewed")
        with stage("Looking for copies") as progress:
            arms, test, notes = arms_of.of_datasets(Path(run), Path(after), seed, progress=progress)
        end = Path(after).absolute()
        cache = Path(to) if to is not None else end.with_name(f"{end.stem}-comparison")
        file = cache / "comparison.json"
    arms["random_removal"] = retraining.random_removal(arms["original"], arms["cleaned"], seed)
    if truth is not None:
        known = arms_of.truth(Path(truth), arms["original"])
        spent = arms_of.reviews(state, arms["original"])
        arms["random_review"] = retraining.random_review(arms["original"], known, spent, seed)
    cache.mkdir(parents=True, exist_ok=True)
    try:
        with stage("Training") as progress:
            result = retraining.compare(
                arms,
                test,
                seeds=seeds,
                model=model,
                epochs=epochs,
                size=size,
                unfreeze=unfreeze,
                weights=None if weights is None else Path(weights),
                seed=seed,
                progress=progress,
                cache=cache,
            )
    except retraining.Interrupted as stop:
        if stop.result is not None and interrupted is not None:
            interrupted(stop.result)
        raise
    result["notes"] = [*notes, *result["notes"]]
    tables.write_json(file, result)
    return result
